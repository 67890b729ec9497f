/// The divergence of a velocity field, tr du/dx: exactly, or by Hutchinson's random probes. Section 8.
///
/// Each models divergence_estimator (concepts/divergence_estimator.hpp), which says shapes and what a standard error is. The probes are a
/// function of stream and column, not of t: along a path of one stream the estimate is a smooth function of time.
/// @throws std::invalid_argument where rows or counts do not fit.
#pragma once

#include <concepts>
#include <string>
#include <utility>

#include <diamond/concepts/divergence_estimator.hpp>
#include <diamond/density/probe.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

namespace detail {
template <class Real>
struct unit_tangent {
    index_t k, rows;
    Real*   out;
    DIAMOND_HD void operator()(index_t i, index_t j) const { out[i + rows * j] = i == k ? Real{1} : Real{0}; }
};
/// out += product(k, j), or begins with it.
template <class Real>
struct add_diagonal_entry {
    const Real* product;
    index_t     k, rows;
    double *    out, *standard_error;
    DIAMOND_HD void operator()(index_t j) const {
        const double entry = static_cast<double>(product[k + rows * j]);
        out[j]             = k == 0 ? entry : out[j] + entry;
        if (standard_error) standard_error[j] = 0.0;
    }
};
} // namespace detail

/// div u = sum_i e_i^T (du/dx) e_i. Cost: d Jacobian-vector products a column.
template <class Field>
class exact_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type     = Field;
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view     = const_view_t<batch_type>;
    static constexpr bool random = false; ///< whether it needs a stream

    explicit exact_divergence(Field field) : field_(std::move(field)) {}

    [[nodiscard]] index_t      dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost         spent() const { return field_.spent(); }

    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream, double* out, double* standard_error = nullptr) {
        const auto& context = x.context();
        tangent_.resize(context, x.rows(), x.columns());
        product_.resize(context, x.rows(), x.columns());
        for (index_t k = 0; k < dimension(); ++k) {
            context.for_each(x.rows(), x.columns(), detail::unit_tangent<real>{k, x.rows(), tangent_.data()});
            field_.jvp(x, t, condition, tangent_.read(), product_.mutable_view());
            context.for_each(x.columns(), detail::add_diagonal_entry<real>{product_.data(), k, x.rows(), out, standard_error});
        }
    }
    /// It draws nothing and needs no stream.
    void operator()(const_view x, time_view t, const condition_type& condition, double* out) { (*this)(x, t, condition, noise_stream{}, out); }

private:
    using real = typename batch_type::value_type;

    field_evaluator<Field>            field_;
    scratch<real, backend_of_t<batch_type>> tangent_, product_;
};

struct hutchinson_options {
    index_t probes = 1;
};

/// The mean of v^T (du/dx) v over M independent probes v. Cost: M Jacobian-vector products a column. M. F. Hutchinson (1989).
template <class Field, class Probe = rademacher_probe>
class hutchinson_divergence {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using field_type     = Field;
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view     = const_view_t<batch_type>;
    static constexpr bool random = true;

    explicit hutchinson_divergence(Field field, hutchinson_options options = {}, Probe probe = {})
        : field_(std::move(field)), options_(options), probe_(std::move(probe)) {
        detail::require_probes("Hutchinson's estimate", options.probes);
    }

    [[nodiscard]] index_t      dimension() const { return field_.dimension(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }
    [[nodiscard]] cost         spent() const { return field_.spent(); }

    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream, double* out, double* standard_error = nullptr) {
        const auto&   context = x.context();
        const index_t n       = x.columns();
        tangent_.resize(context, x.rows(), n);
        product_.resize(context, x.rows(), n);
        double* const estimate = average_.next(context, n);
        for (index_t k = 0; k < options_.probes; ++k) {
            context.for_each(n, detail::fill_probe<Probe, real>{probe_, stream, options_.probes, k, x.rows(), tangent_.data()});
            field_.jvp(x, t, condition, tangent_.read(), product_.mutable_view());
            context.column_sums(x.rows(), n, detail::dot_term<real>{tangent_.data(), product_.data(), x.rows()}, estimate);
            average_.add(context, n, k);
        }
        average_.write(context, n, options_.probes, nullptr, out, standard_error);
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    field_evaluator<Field>        field_;
    hutchinson_options                  options_;
    Probe                               probe_;
    scratch<real, context_type>         tangent_, product_;
    detail::probe_average<context_type> average_;
};

/// Up to this dimension the exact trace costs no more than the probes that would give two digits.
inline constexpr index_t most_exact_dimension = 16;

/// The default: exact up to d = 16, Hutchinson's with M Rademacher probes above. Cost: min(d, 16) or M Jacobian-vector products.
template <class Field>
class divergence {
public:
    using field_type     = Field;
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using const_view     = const_view_t<batch_type>;
    static constexpr bool random = true;

    explicit divergence(Field field, hutchinson_options options = {}) : exact_(field), probing_(std::move(field), options) {}

    [[nodiscard]] index_t      dimension() const { return exact_.dimension(); }
    [[nodiscard]] const Field& field() const { return exact_.field(); }
    [[nodiscard]] bool         exact() const { return dimension() <= most_exact_dimension; }
    [[nodiscard]] cost         spent() const { return exact_.spent() + probing_.spent(); }

    void operator()(const_view x, time_view t, const condition_type& condition, noise_stream stream, double* out, double* standard_error = nullptr) {
        exact() ? exact_(x, t, condition, stream, out, standard_error) : probing_(x, t, condition, stream, out, standard_error);
    }

private:
    exact_divergence<Field>      exact_;
    hutchinson_divergence<Field> probing_;
};

} // namespace diamond
