/// Hutch++: the trace of a Jacobian, exactly on the range of a random sketch and by Hutchinson's probes on the rest.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/density/divergence.hpp>

namespace diamond {

struct hutch_plus_plus_options {
    index_t sketch = 2; ///< r <= d directions; r = d leaves nothing to the probes
    index_t probes = 2; ///< M
};

namespace detail {
/// r vectors a column, vector k of column j at basis + rows * (j + columns * k).
template <class Real>
struct column_basis {
    Real*   basis;
    index_t rows, columns, count;

    [[nodiscard]] DIAMOND_HD Real*  vector(index_t k, index_t j) const { return basis + rows * (j + columns * k); }
    [[nodiscard]] DIAMOND_HD double dot(const Real* a, const Real* b) const {
        double sum = 0.0;
        for (index_t i = 0; i < rows; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
        return sum;
    }
    /// v minus its part in the first k vectors.
    DIAMOND_HD void project_out(Real* v, index_t k, index_t j) const {
        for (index_t l = 0; l < k; ++l) {
            const Real*  q    = vector(l, j);
            const double part = dot(q, v);
            for (index_t i = 0; i < rows; ++i) v[i] -= static_cast<Real>(part * static_cast<double>(q[i]));
        }
    }
};
/// Gram and Schmidt's method, twice, which is enough [Giraud, Langou, Rozloznik 2005]; what depends on the vectors before it becomes 0.
template <class Real>
struct orthonormalise {
    static constexpr index_t relative_cost  = 64;
    static constexpr double  rounding = 16.0 * static_cast<double>(std::numeric_limits<Real>::epsilon());

    column_basis<Real> space;
    DIAMOND_HD void operator()(index_t j) const {
        for (index_t k = 0; k < space.count; ++k) {
            Real* const  v     = space.vector(k, j);
            const double whole = std::sqrt(space.dot(v, v));
            for (int pass = 0; pass < 2; ++pass) {
                space.project_out(v, k, j);
                const double left  = std::sqrt(space.dot(v, v));
                const bool   gone  = pass == 0 && !(left > rounding * whole);
                const double scale = gone || left == 0.0 ? 0.0 : 1.0 / left;
                for (index_t i = 0; i < space.rows; ++i) v[i] = static_cast<Real>(scale * static_cast<double>(v[i]));
            }
        }
    }
};
template <class Real>
struct project_out_basis {
    static constexpr index_t relative_cost = 64;

    column_basis<Real> space;
    Real*              x;
    DIAMOND_HD void operator()(index_t j) const { space.project_out(x + space.rows * j, space.count, j); }
};
} // namespace detail

/// tr J = tr(Q^T J Q) + tr((I - Q Q^T) J (I - Q Q^T)), Q an orthonormal basis of J S for r probes S, particle by particle: the first term exactly, the
/// second by M probes. Unbiased whatever Q is; good where J has few large eigenvalues. The standard error is that of the second term.
/// Cost: 2 r + M Jacobian-vector products a column. R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff (2021).
template <class Field, class Probe = rademacher_probe>
class hutch_plus_plus_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type     = Field;
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view     = const_view_t<batch_type>;
    static constexpr bool random = true;

    explicit hutch_plus_plus_divergence(Field field, hutch_plus_plus_options options = {}, Probe probe = {})
        : field_(std::move(field)), options_(options), probe_(std::move(probe)) {
        detail::require_probes("Hutch++", options.probes);
        require(options.sketch >= 1 && options.sketch <= dimension(), [&] {
            return "Hutch++ with a sketch of " + digits_of(options.sketch) + " in dimension " + digits_of(dimension()) + ": one of 1 to d is needed";
        });
    }

    [[nodiscard]] index_t      dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost         spent() const { return field_.spent(); }

    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream, double* out, double* standard_error = nullptr) {
        const auto&   context = x.context();
        const index_t d = x.rows(), n = x.columns(), all = options_.sketch + options_.probes;
        for (auto* buffer : {&tangent_, &product_}) buffer->resize(context, d, n);
        basis_.resize(context, d, extent_product("columns and vectors of the sketch", n, options_.sketch));
        known_.resize(context, 1, n);
        const auto draw = [&](index_t k) { context.for_each(n, detail::fill_probe<Probe, real>{probe_, stream, all, k, d, tangent_.data()}); };

        for (index_t k = 0; k < options_.sketch; ++k) {
            draw(k);
            field_.jvp(x, t, condition, tangent_.read(), basis_.mutable_view().columns(n * k, n));
        }
        const detail::column_basis<real> space{basis_.data(), d, n, options_.sketch};
        context.for_each(n, detail::orthonormalise<real>{space});

        double* const estimate = average_.next(context, n);
        const auto    measure  = [&](const_view v) {
            field_.jvp(x, t, condition, v, product_.mutable_view());
            context.column_sums(d, n, detail::dot_term<real>{v.data(), product_.data(), d}, estimate);
        };
        for (index_t k = 0; k < options_.sketch; ++k) {
            measure(basis_.read().columns(n * k, n));
            context.for_each(n, detail::add_scaled_number{1.0, estimate, k == 0, known_.data()});
        }
        for (index_t k = 0; k < options_.probes; ++k) {
            draw(options_.sketch + k);
            context.for_each(n, detail::project_out_basis<real>{space, tangent_.data()});
            measure(tangent_.read());
            average_.add(context, n, k);
        }
        average_.write(context, n, options_.probes, known_.data(), out, standard_error);
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    field_evaluator<Field>        field_;
    hutch_plus_plus_options             options_;
    Probe                               probe_;
    scratch<real, context_type>         tangent_, product_, basis_;
    scratch<double, context_type>       known_;
    detail::probe_average<context_type> average_;
};

} // namespace diamond
