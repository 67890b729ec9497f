/// This header defines a field whose Jacobian is not symmetric and whose trace is known: u(x, t) = (1 + t) A
/// x + sin x, du/dx = (1 + t) A + diag cos x.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <diamond/concepts/velocity_field.hpp>

namespace fields {

using diamond::index_t;

template <class Real>
struct add_sines {
    const Real* x;
    diamond::time_view t;
    index_t rows;
    double waves;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        out[at] = static_cast<Real>((1.0 + t[j]) * static_cast<double>(out[at]) +
                                    waves * std::sin(static_cast<double>(x[at])));
    }
};
template <class Real>
struct add_cosines {
    const Real *x, *tangent;
    diamond::time_view t;
    index_t rows;
    double waves;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        out[at] = static_cast<Real>((1.0 + t[j]) * static_cast<double>(out[at]) +
                                    waves * std::cos(static_cast<double>(x[at])) *
                                        static_cast<double>(tangent[at]));
    }
};

/// With `waves` 0, only A is left.
template <class Batch>
class waved {
public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};

    waved(const diamond::backend_of_t<Batch>& context, index_t d, const std::vector<double>& a,
          double waves = 1.0)
        : matrix_(std::make_shared<const Batch>(
              diamond::from_host(context, d, d, std::vector<real>(a.begin(), a.end())))),
          waves_(waves) {}

    [[nodiscard]] index_t dimension() const { return matrix_->rows(); }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, diamond::time_view t, diamond::no_condition, workspace&, view out) const {
        x.context().product(diamond::transpose::no, matrix_->read(), x, out);
        x.context().for_each(x.rows(), x.columns(),
                             add_sines<real>{x.data(), t, x.rows(), waves_, out.data()});
    }
    void jvp(const_view x, diamond::time_view t, diamond::no_condition, const_view tangent, workspace&,
             view out) const {
        multiply(diamond::transpose::no, x, t, tangent, out);
    }
    void vjp(const_view x, diamond::time_view t, diamond::no_condition, const_view cotangent, workspace&,
             view out) const {
        multiply(diamond::transpose::yes, x, t, cotangent, out);
    }

private:
    void multiply(diamond::transpose op, const_view x, diamond::time_view t, const_view v, view out) const {
        x.context().product(op, matrix_->read(), v, out);
        x.context().for_each(x.rows(), x.columns(),
                             add_cosines<real>{x.data(), v.data(), t, x.rows(), waves_, out.data()});
    }
    std::shared_ptr<const Batch> matrix_;
    double waves_;
};

/// Returns d x d numbers without any symmetry, whose symmetric part is far from diagonal.
[[nodiscard]] inline std::vector<double> crooked(index_t d) {
    std::vector<double> a;
    for (index_t k = 0; k < d * d; ++k) a.push_back(std::sin(1.7 * static_cast<double>(k) + 0.4));
    return a;
}

} // namespace fields
