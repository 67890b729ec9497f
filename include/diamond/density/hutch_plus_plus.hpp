/// Hutch++ estimates the trace of a Jacobian: exactly on the range of a random sketch, by Hutchinson's probes
/// on the rest.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/divergence.hpp>

namespace diamond {

/// The options of hutch_plus_plus_divergence.
struct hutch_plus_plus_options {
    index_t sketch = 2; ///< r, the number of directions, 1 <= r <= d; r = d leaves nothing to the probes
    index_t probes = 2; ///< M, at least 1
};

namespace detail {
/// r vectors for each of N columns, in a d x (N r) batch: vector k of column j is its column j + N k.
template <class View>
struct column_basis {
    using real = typename View::value_type;

    View basis;
    index_t columns, count; // N and r

    [[nodiscard]] DIAMOND_HD real* vector(index_t k, index_t j) const {
        return basis.column(j + columns * k).begin();
    }
    [[nodiscard]] DIAMOND_HD double dot(const real* a, const real* b) const {
        double sum = 0.0;
        for (index_t i = 0; i < basis.rows(); ++i)
            sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
        return sum;
    }
    /// Subtracts from v its projection on the first k vectors of column j.
    DIAMOND_HD void project_out(real* v, index_t k, index_t j) const {
        for (index_t l = 0; l < k; ++l) {
            const real* q = vector(l, j);
            const double part = dot(q, v);
            for (index_t i = 0; i < basis.rows(); ++i)
                v[i] -= static_cast<real>(part * static_cast<double>(q[i]));
        }
    }
};
/// Orthonormalises the vectors of each column by the Gram-Schmidt process, applied twice, which is enough
/// [Giraud, Langou, Rozloznik 2005]; a vector that depends linearly on those before it becomes 0.
template <class View>
struct orthonormalise {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 64;
    static constexpr double rounding = 16.0 * static_cast<double>(std::numeric_limits<real>::epsilon());

    column_basis<View> space;
    DIAMOND_HD void operator()(index_t j) const {
        for (index_t k = 0; k < space.count; ++k) {
            real* const v = space.vector(k, j);
            const double whole = std::sqrt(space.dot(v, v));
            for (int pass = 0; pass < 2; ++pass) {
                space.project_out(v, k, j);
                const double left = std::sqrt(space.dot(v, v));
                const bool gone = pass == 0 && !(left > rounding * whole);
                const double scale = gone || left == 0.0 ? 0.0 : 1.0 / left;
                for (index_t i = 0; i < space.basis.rows(); ++i)
                    v[i] = static_cast<real>(scale * static_cast<double>(v[i]));
            }
        }
    }
};
/// Subtracts from each column of x its projection on that column's basis.
template <class View>
struct project_out_basis {
    static constexpr index_t relative_cost = 64;

    column_basis<View> space;
    View x;
    DIAMOND_HD void operator()(index_t j) const { space.project_out(x.column(j).begin(), space.count, j); }
};
} // namespace detail

/// tr J = tr(Q^T J Q) + tr((I - Q Q^T) J (I - Q Q^T)), the first term computed exactly and the second by M
/// probes, where Q is an orthonormal basis of J S for r probes S, for each particle its own.
///
/// The estimate is unbiased for any Q, and its variance is small where J has few large eigenvalues. The
/// standard error is that of the second term. Cost: 2 r + M Jacobian-vector products for each column. Source:
/// R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff (2021).
template <class Field, class Probe = rademacher_probe>
class hutch_plus_plus_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type = Field;
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool random = true;

    /// @throws std::invalid_argument unless options.probes >= 1 and 1 <= options.sketch <= d.
    explicit hutch_plus_plus_divergence(Field field, hutch_plus_plus_options options = {}, Probe probe = {})
        : field_(std::move(field)), options_(options), probe_(std::move(probe)) {
        detail::require_probes("Hutch++", options.probes);
        require(options.sketch >= 1 && options.sketch <= dimension(), [&] {
            return "Hutch++ with a sketch of " + digits_of(options.sketch) + " in dimension " +
                   digits_of(dimension()) + ": one of 1 to d is needed";
        });
    }

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost spent() const { return field_.spent(); }

    /// out[j] = an unbiased estimate of div u(x_j, t_j); standard_error[j] = that of its second term, NaN for
    /// one probe, unless standard_error is without data.
    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream,
                    row_t<batch_type> out, row_t<batch_type> standard_error = {}) {
        const auto& context = x.context();
        const index_t d = x.rows(), n = x.columns(), all = options_.sketch + options_.probes;
        for (auto* buffer : {&tangent_, &product_}) buffer->resize(context, d, n);
        basis_.resize(context, d, extent_product("columns and vectors of the sketch", n, options_.sketch));
        known_.resize(context, 1, n);
        const auto draw = [&](index_t k) {
            context.for_each(n, detail::fill_probe<Probe, view>{.probe = probe_,
                                                                .stream = stream,
                                                                .samples = all,
                                                                .sample = k,
                                                                .out = tangent_.mutable_view()});
        };

        for (index_t k = 0; k < options_.sketch; ++k) {
            draw(k);
            field_.jvp(x, t, condition, tangent_.read(), basis_.mutable_view().columns(n * k, n));
        }
        const detail::column_basis<view> space{
            .basis = basis_.mutable_view(), .columns = n, .count = options_.sketch};
        context.for_each(n, detail::orthonormalise<view>{space});

        const auto estimate = average_.resize(context, n);
        const auto measure = [&](const_view v) {
            field_.jvp(x, t, condition, v, product_.mutable_view());
            assign(estimate, column_sums(v * product_));
        };
        const auto known = row(known_);
        assign(known, 0.0);
        for (index_t k = 0; k < options_.sketch; ++k) {
            measure(basis_.read().columns(n * k, n));
            assign(known, known + estimate);
        }
        for (index_t k = 0; k < options_.probes; ++k) {
            draw(options_.sketch + k);
            context.for_each(n,
                             detail::project_out_basis<view>{.space = space, .x = tangent_.mutable_view()});
            measure(tangent_.read());
            average_.add(k);
        }
        average_.write(options_.probes, out, standard_error);
        assign(out, known + out);
    }

private:
    using view = view_t<batch_type>;
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    field_evaluator<Field> field_;
    hutch_plus_plus_options options_;
    Probe probe_;
    scratch<real, context_type> tangent_, product_, basis_;
    scratch<double, context_type> known_;
    detail::probe_average<context_type> average_;
};

} // namespace diamond
