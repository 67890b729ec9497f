/// The divergence of a velocity field, tr du/dx: exactly, or by Hutchinson's random probes. See
/// (eq. exact-divergence), (eq. hutchinson-divergence).
///
/// The classes of this file model divergence_estimator (concepts/divergence_estimator.hpp), which gives the
/// shapes and defines the standard error. The probes are a function of stream and column and not of t, so
/// that along a path of one stream the estimate is a smooth function of time. Calls throw
/// std::invalid_argument if rows or counts do not fit.
#pragma once

#include <utility>

#include <diamond/concepts/divergence_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/probe.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

namespace detail {
/// Writes the unit vector e_k into each column of `out`.
template <class View>
struct unit_tangent {
    index_t k;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using real = typename View::value_type;
        out(i, j) = i == k ? real{1} : real{0};
    }
};
} // namespace detail

/// div u = sum_i e_i^T (du/dx) e_i, without an error. Cost: d Jacobian-vector products for each column.
template <class Field>
class exact_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type = Field;
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool random = false; ///< it reads no stream

    /// Takes the field whose divergence it is.
    explicit exact_divergence(Field field) : field_(std::move(field)) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost spent() const { return field_.spent(); }

    /// out[j] = div u(x_j, t_j); standard_error[j] = 0, unless it is without data.
    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream,
                    row_t<batch_type> out, row_t<batch_type> standard_error = {}) {
        const auto& context = x.context();
        const index_t d = x.rows(), n = x.columns();
        require_columns("exact_divergence", out, n);
        if (standard_error) require_columns("exact_divergence", standard_error, n);
        tangent_.resize(context, d, n);
        product_.resize(context, d, n);
        for (index_t k = 0; k < dimension(); ++k) {
            context.for_each(d, n, detail::unit_tangent<view>{.k = k, .out = tangent_.mutable_view()});
            field_.jvp(x, t, condition, tangent_.read(), product_.mutable_view());
            k == 0 ? assign(out, row_of(product_, k)) : assign(out, out + row_of(product_, k));
        }
        if (standard_error) assign(standard_error, 0.0);
    }
    /// out[j] = div u(x_j, t_j). The call draws nothing and needs no stream.
    void operator()(const_view x, time_view t, const condition_type& condition, row_t<batch_type> out) {
        (*this)(x, t, condition, noise_stream{}, out);
    }

private:
    using view = view_t<batch_type>;

    field_evaluator<Field> field_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> tangent_, product_;
};

/// The options of hutchinson_divergence.
struct hutchinson_options {
    index_t probes = 1; ///< M, at least 1
};

/// Hutchinson's estimate of div u: the mean of v^T (du/dx) v over M independent probes v.
///
/// Cost: M Jacobian-vector products for each column. Source: M. F. Hutchinson (1989).
template <class Field, class Probe = rademacher_probe>
class hutchinson_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type = Field;
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool random = true;

    /// @throws std::invalid_argument unless options.probes >= 1.
    explicit hutchinson_divergence(Field field, hutchinson_options options = {}, Probe probe = {})
        : field_(std::move(field)), options_(options), probe_(std::move(probe)) {
        detail::require_probes("Hutchinson's estimate", options.probes);
    }

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost spent() const { return field_.spent(); }

    /// out[j] = an unbiased estimate of div u(x_j, t_j); standard_error[j] = its standard error, NaN for one
    /// probe, unless standard_error is without data.
    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream,
                    row_t<batch_type> out, row_t<batch_type> standard_error = {}) {
        const auto& context = x.context();
        const index_t d = x.rows(), n = x.columns();
        tangent_.resize(context, d, n);
        product_.resize(context, d, n);
        const auto estimate = average_.resize(context, n);
        for (index_t k = 0; k < options_.probes; ++k) {
            context.for_each(n, detail::fill_probe<Probe, view>{.probe = probe_,
                                                                .stream = stream,
                                                                .samples = options_.probes,
                                                                .sample = k,
                                                                .out = tangent_.mutable_view()});
            field_.jvp(x, t, condition, tangent_.read(), product_.mutable_view());
            assign(estimate, column_sums(tangent_ * product_));
            average_.add(k);
        }
        average_.write(options_.probes, out, standard_error);
    }

private:
    using view = view_t<batch_type>;
    using context_type = backend_of_t<batch_type>;

    field_evaluator<Field> field_;
    hutchinson_options options_;
    Probe probe_;
    scratch<typename batch_type::value_type, context_type> tangent_, product_;
    detail::probe_average<context_type> average_;
};

/// The dimension up to which the exact trace costs no more than the probes that would give two digits.
inline constexpr index_t most_exact_dimension = 16;

/// The default estimator: exact_divergence up to d = 16, Hutchinson's with M Rademacher probes above.
///
/// Cost: d Jacobian-vector products for each column up to d = 16, M above.
template <class Field>
class divergence {
public:
    using field_type = Field;
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool random = true;

    /// @throws std::invalid_argument unless options.probes >= 1.
    explicit divergence(Field field, hutchinson_options options = {})
        : exact_(field), probing_(std::move(field), options) {}

    [[nodiscard]] index_t dimension() const { return exact_.dimension(); }
    [[nodiscard]] const Field& field() const { return exact_.field(); }
    /// Says whether the divergence is computed exactly: d <= 16.
    [[nodiscard]] bool exact() const { return dimension() <= most_exact_dimension; }
    [[nodiscard]] cost spent() const { return exact_.spent() + probing_.spent(); }

    /// out[j] = div u(x_j, t_j) or an unbiased estimate of it; standard_error[j] = 0 or that of the estimate,
    /// unless without data.
    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream,
                    row_t<batch_type> out, row_t<batch_type> standard_error = {}) {
        exact() ? exact_(x, t, condition, stream, out, standard_error)
                : probing_(x, t, condition, stream, out, standard_error);
    }

private:
    exact_divergence<Field> exact_;
    hutchinson_divergence<Field> probing_;
};

} // namespace diamond
