/// This header defines a flow map with divergence from 0 to 1 whose mean divergence depends on where it
/// begins, in closed form: y_i = x_i + a sin x_i, and y_1 has b x_0^2 in addition. The Jacobian is
/// triangular, and m = sum_i log(1 + a cos x_i).
#pragma once

#include <cmath>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/schedule/linear.hpp>

namespace bent {

using diamond::index_t, diamond::interval, diamond::no_condition;

inline constexpr double a = 0.6, b = 0.3;

template <class Real>
struct forward {
    const Real* x;
    index_t rows;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double value = static_cast<double>(x[i + rows * j]), first = static_cast<double>(x[rows * j]);
        out[i + rows * j] = static_cast<Real>(value + a * std::sin(value) +
                                              (i == 1 ? b * first * first : 0.0));
    }
};
template <class Real>
struct log_determinant_term {
    const Real* x;
    index_t rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        return std::log(1.0 + a * std::cos(static_cast<double>(x[i + rows * j])));
    }
};
template <class Real>
struct pull_back {
    const Real *x, *cotangent;
    const double* divergence_cotangent;
    double sign;
    index_t rows;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double value = static_cast<double>(x[i + rows * j]), slope = 1.0 + a * std::cos(value);
        double sum = 0.0;
        if (cotangent) {
            sum += slope * static_cast<double>(cotangent[i + rows * j]);
            if (i == 0) sum += 2.0 * b * value * static_cast<double>(cotangent[1 + rows * j]);
        }
        if (divergence_cotangent) sum -= sign * divergence_cotangent[j] * a * std::sin(value) / slope;
        out[i + rows * j] = static_cast<Real>(sum);
    }
};

/// With `sign` -1, the head has its gradient the wrong way round.
template <class Batch>
struct map {
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;

    index_t d;
    double sign = 1.0;
    diamond::cost bill = {};

    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return bill; }
    void operator()(const_view x, interval span, no_condition, view out) {
        diamond::require(span.from == 0.0 && span.to == 1.0, "the bent map goes from 0 to 1");
        bill.forward += x.columns();
        x.context().for_each(x.rows(), x.columns(), forward<real>{x.data(), x.rows(), out.data()});
    }
    void operator()(const_view x, interval span, no_condition none, view out,
                    diamond::row_t<batch_type> divergence) {
        (*this)(x, span, none, out);
        x.context().column_sums(x.rows(), x.columns(), log_determinant_term<real>{x.data(), x.rows()},
                                divergence.data());
    }
    void vjp(const_view x, interval, no_condition, const_view cotangent,
             diamond::const_row_t<batch_type> divergence_cotangent, view out) {
        bill.vjp += x.columns();
        x.context().for_each(x.rows(), x.columns(),
                             pull_back<real>{x.data(), cotangent.data(), divergence_cotangent.data(), sign,
                                             x.rows(), out.data()});
    }
};

} // namespace bent
