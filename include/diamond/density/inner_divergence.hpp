/// The divergence of GLASS's inner velocity, from that of the field. Sections 4 and 8.
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
/// div ubar = velocity input_inner div u + d inner, in place of div u.
struct to_inner_divergence {
    coefficients<2> c;
    double          rows;
    double *        divergence, *standard_error;
    bool            evaluated;
    DIAMOND_HD void operator()(index_t j) const {
        const double factor = c(0, j);
        divergence[j]       = (factor == 0.0 || !evaluated ? 0.0 : factor * divergence[j]) + rows * c(1, j);
        if (standard_error) standard_error[j] = factor == 0.0 || !evaluated ? 0.0 : std::fabs(factor) * standard_error[j];
    }
};
} // namespace detail

/// div ubar_s(xbar | x_t, t) of the posterior's inner flow: with ubar = c_v u(x*, t*) + c_o x_t + c_i xbar and x* = a_o x_t + a_i xbar,
///   div ubar = c_v a_i div u(x*, t*) + d c_i.
/// Models nothing but what glass_diamond_map and glass_teacher ask of it. Cost: one divergence of the field; none where all are at t* = 1.
template <class Schedule, class Divergence, class InnerSchedule = linear_schedule>
class inner_divergence {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<InnerSchedule>());
    static_assert(diagnose_divergence_estimator<Divergence>());

public:
    using field_type             = typename Divergence::field_type;
    using batch_type             = typename field_type::batch_type;
    using condition_type         = condition_of_t<field_type>;
    using const_view             = const_view_t<batch_type>;
    static constexpr bool random = Divergence::random;

    inner_divergence(Schedule schedule, Divergence divergence, InnerSchedule inner = {})
        : schedule_(detail::checked_schedule(std::move(schedule))), divergence_(std::move(divergence)),
          inner_(detail::checked_schedule(std::move(inner))) {}

    [[nodiscard]] index_t           dimension() const { return divergence_.dimension(); }
    [[nodiscard]] const field_type& field() const { return divergence_.field(); }
    [[nodiscard]] cost              spent() const { return divergence_.spent(); }

    /// out[j] = div ubar_s(xbar_j | x_t_j, t), or an unbiased estimate; s and t are one value or one per column. The inner schedule's velocity must be finite there.
    void operator()(const_view xbar, time_view s, const_view x_t, time_view t, const condition_type& condition, noise_stream stream, double* out, double* standard_error = nullptr) {
        const auto&   context = xbar.context();
        const index_t n       = xbar.columns();
        point_.resize(context, xbar.rows(), n);
        if (s.broadcast() && t.broadcast()) {
            auto c = inner_velocity_at(schedule_, inner_, t.value(), s.value(), posterior_kernel_coefficients);
            if (!std::isfinite(c.velocity)) { // t* = 0 with alpha'(0) = 0: D is the same for all x there, and has no divergence
                c = inner_velocity_at(schedule_, inner_, t.value(), s.value(), posterior_kernel_coefficients, prediction::denoiser);
                c.velocity = 0.0;
            }
            assign(point_, c.input_outer * x_t + c.input_inner * xbar);
            const bool evaluates = c.velocity * c.input_inner != 0.0;
            if (evaluates) divergence_(point_.read(), time_view(c.time), condition, stream, out, standard_error);
            context.for_each(n, detail::to_inner_divergence{coefficients<2>(numbers<2>{{c.velocity * c.input_inner, c.inner}}), static_cast<double>(xbar.rows()), out, standard_error, evaluates});
            return;
        }
        const detail::inner_velocity_table<Schedule, InnerSchedule> table{schedule_, inner_, posterior_kernel_coefficients, t, s};
        all_.resize(context, 7, n);
        time_.resize(context, 2, n);
        context.for_each(n, detail::fill_coefficients<7, detail::inner_velocity_table<Schedule, InnerSchedule>>{table, all_.data()});
        context.for_each(n, detail::time_of{all_.data(), time_.data(), time_.data() + n});
        combine(input_table_(context, false, n, detail::table_rows<2>{all_.data(), 2}), point_.mutable_view(), x_t, xbar);
        divergence_(point_.read(), time_view(time_.data(), time_.data() + n), condition, stream, out, standard_error);
        context.for_each(n, detail::to_inner_divergence{product_table_(context, false, n, detail::inner_products{all_.data()}), static_cast<double>(xbar.rows()), out, standard_error, true});
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    Schedule                           schedule_;
    Divergence                         divergence_;
    InnerSchedule                      inner_;
    scratch<real, context_type>        point_;
    scratch<double, context_type>      all_, time_;
    coefficient_table<2, context_type> input_table_, product_table_;
};
template <class Schedule, class Divergence>
inner_divergence(Schedule, Divergence) -> inner_divergence<Schedule, Divergence>;
template <class Schedule, class Divergence, class InnerSchedule>
inner_divergence(Schedule, Divergence, InnerSchedule) -> inner_divergence<Schedule, Divergence, InnerSchedule>;

namespace detail {
/// Of a divergence; of a velocity field nothing.
template <class Schedule, class Field, class InnerSchedule = linear_schedule>
using inner_divergence_of = std::conditional_t<is_divergence<Field>, inner_divergence<Schedule, Field, InnerSchedule>, no_divergence>;
} // namespace detail

} // namespace diamond
