/// The divergence of GLASS's inner velocity, computed from that of the field. See (eq. inner-divergence).
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include <diamond/core/expression.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

namespace detail {
/// div ubar = factor div u + d inner; a factor of 0 switches off a divergence that was not computed.
DIAMOND_HD constexpr double divergence_of_inner(double divergence, double factor, double d, double inner) {
    return (factor == 0.0 ? 0.0 : factor * divergence) + d * inner;
}
/// The standard error of div ubar, from that of div u.
DIAMOND_HD inline double error_of_inner(double standard_error, double factor) {
    return factor == 0.0 ? 0.0 : std::fabs(factor) * standard_error;
}
} // namespace detail

/// div ubar_s(xbar | x_t, t) of the posterior's inner flow: with ubar = c_v u(x*, t*) + c_o x_t + c_i xbar
/// and x* = a_o x_t + a_i xbar,
///   div ubar = c_v a_i div u(x*, t*) + d c_i.
///
/// `Divergence` is a divergence_estimator of u. The class models no concept: glass_diamond_map and
/// glass_teacher use it. Cost: one divergence of the field, or none if all columns are at t* = 1.
template <class Schedule, class Divergence, class InnerSchedule = linear_schedule>
class inner_divergence {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<InnerSchedule>());
    static_assert(diagnose_divergence_estimator<Divergence>());

public:
    using field_type = typename Divergence::field_type;
    using batch_type = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool random = Divergence::random;

    /// Takes the outer schedule, the divergence of the field, and the inner schedule. @throws
    /// std::invalid_argument where a schedule is none, see check_schedule.
    inner_divergence(Schedule schedule, Divergence divergence, InnerSchedule inner = {})
        : schedule_(detail::checked_schedule(std::move(schedule))),
          divergence_(std::move(divergence)),
          inner_(detail::checked_schedule(std::move(inner))) {}

    [[nodiscard]] index_t dimension() const { return divergence_.dimension(); }
    [[nodiscard]] const field_type& field() const { return divergence_.field(); }
    [[nodiscard]] cost spent() const { return divergence_.spent(); }

    /// out[j] = div ubar_s(xbar_j | x_t_j, t), or an unbiased estimate of it, with its standard error unless
    /// that is without data; s and t are one value or one for each column. The inner schedule's velocity must
    /// be finite at s.
    void operator()(const_view xbar, time_view s, const_view x_t, time_view t,
                    const condition_type& condition, noise_stream stream, row_t<batch_type> out,
                    row_t<batch_type> standard_error = {}) {
        const auto& context = xbar.context();
        const index_t n = xbar.columns();
        require_columns("inner_divergence", out, n);
        if (standard_error) require_columns("inner_divergence", standard_error, n);
        point_.resize(context, xbar.rows(), n);
        const detail::coefficients_of_divergence<Schedule, InnerSchedule> of_time{
            .schedule = schedule_, .inner_schedule = inner_, .kernel = posterior_kernel_coefficients};
        if (s.broadcast() && t.broadcast()) {
            const auto c = of_time(t.value(), s.value());
            assign(point_, c.input_outer * x_t + c.input_inner * xbar);
            const double factor = c.velocity * c.input_inner;
            if (factor != 0.0)
                divergence_(point_.read(), time_view(c.time), condition, stream, out, standard_error);
            return scale(xbar, factor, c.inner, out, standard_error);
        }
        tables_.fill(context, n, of_time, t, s);
        combine(tables_.input(), point_.mutable_view(), x_t, xbar);
        divergence_(point_.read(), tables_.time(), condition, stream, out, standard_error);
        const auto to_inner = tables_.to_inner_table();
        scale(xbar, row_of(to_inner, 0), row_of(to_inner, 1), out, standard_error);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    /// Replaces div u and its standard error by those of ubar; factor = c_v a_i and inner = c_i are numbers
    /// or rows.
    template <class Factor, class Inner>
    static void scale(const_view xbar, const Factor& factor, const Inner& inner, row_t<batch_type> out,
                      row_t<batch_type> standard_error) {
        const auto d = static_cast<double>(xbar.rows());
        assign(out, elementwise<detail::divergence_of_inner>(out, factor, d, inner));
        if (standard_error)
            assign(standard_error, elementwise<detail::error_of_inner>(standard_error, factor));
    }

    Schedule schedule_;
    Divergence divergence_;
    InnerSchedule inner_;
    scratch<real, context_type> point_;
    detail::inner_velocity_tables<context_type> tables_;
};

namespace detail {
/// inner_divergence if `Field` is a divergence, and no_divergence if it is a velocity field.
template <class Schedule, class Field, class InnerSchedule = linear_schedule>
using inner_divergence_of =
    std::conditional_t<is_divergence<Field>, inner_divergence<Schedule, Field, InnerSchedule>, no_divergence>;
} // namespace detail

} // namespace diamond
