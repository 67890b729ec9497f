/// The Diamond map of any velocity field, by integrating GLASS's posterior flow.
#pragma once

#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// X_{s,r}(xbar | x_t, t): integrates d xbar/ds = ubar_s(xbar | x_t, t) of the kernel t' = 1. Cost: one evaluation a stage. [GF], [DM].
template <class Schedule, class Field, class Solver, class InnerSchedule = linear_schedule>
class glass_diamond_map {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());
    static_assert(diagnose_solver<Solver>() && diagnose_schedule<InnerSchedule>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    glass_diamond_map(Schedule schedule, Field field, Solver solver, InnerSchedule inner = {})
        : velocity_(std::move(schedule), std::move(field), std::move(inner)), solver_(std::move(solver)) {}

    [[nodiscard]] index_t              dimension() const { return velocity_.dimension(); }
    [[nodiscard]] const Schedule&      schedule() const { return velocity_.schedule(); }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return velocity_.inner_schedule(); }
    [[nodiscard]] const cost&          spent() const { return velocity_.spent(); }

    /// out = X_{from,to}(xbar | x_t, t, condition), all d x N. @throws std::invalid_argument where shapes differ or a time leaves [0, 1].
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition, view out) {
        check(xbar, inner, x_t, t, out);
        xbar.context().copy(xbar.data(), xbar.size(), out.data());
        solver_(system{velocity_, x_t, t, condition, nullptr}, inner, out);
    }
    /// out_xbar = cotangent^T dX/d xbar and out_x_t = cotangent^T dX/dx_t of the discrete map.
    void vjp(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition, const_view cotangent, view out_xbar, view out_x_t)
        requires differentiable_velocity_field<Field>
    {
        check(xbar, inner, x_t, t, out_xbar);
        require_same_shape("glass_diamond_map::vjp", xbar, cotangent);
        require_same_shape("glass_diamond_map::vjp", xbar, const_view(out_x_t));
        xbar.context().copy(cotangent.data(), xbar.size(), out_xbar.data());
        combine(coefficients<1>(numbers<1>{{0.0}}), out_x_t, x_t);
        solver_.vjp(system{velocity_, x_t, t, condition, &out_x_t}, inner, xbar, out_xbar);
    }

private:
    struct system {
        inner_velocity<Schedule, Field, InnerSchedule>& velocity;
        const_view                                      x_t;
        time_view                                           t;
        const condition_type&                           condition;
        view*                                           x_t_cotangent;
        void operator()(const_view xbar, double s, view out) const { velocity(xbar, time_view(s), x_t, t, posterior_kernel_coefficients, condition, out); }
        void vjp(const_view xbar, double s, const_view cotangent, view out) const
            requires differentiable_velocity_field<Field>
        {
            velocity.vjp(xbar, time_view(s), x_t, t, posterior_kernel_coefficients, condition, cotangent, out, *x_t_cotangent);
        }
    };

    static void check(const_view xbar, interval inner, const_view x_t, time_view t, const_view out) {
        require_same_shape("glass_diamond_map", xbar, x_t);
        require_same_shape("glass_diamond_map", xbar, out);
        require_time("a Diamond map", t);
        require_time("a Diamond map's inner flow", inner.from);
        require_time("a Diamond map's inner flow", inner.to);
    }

    inner_velocity<Schedule, Field, InnerSchedule> velocity_;
    runge_kutta<Solver, batch_type>                solver_;
};
template <class Schedule, class Field, class Solver>
glass_diamond_map(Schedule, Field, Solver) -> glass_diamond_map<Schedule, Field, Solver>;
template <class Schedule, class Field, class Solver, class Inner>
glass_diamond_map(Schedule, Field, Solver, Inner) -> glass_diamond_map<Schedule, Field, Solver, Inner>;

} // namespace diamond
