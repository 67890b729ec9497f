/// The Diamond map of any velocity field, by integrating GLASS's posterior flow: the many-step reference for
/// learned maps.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/inner_divergence.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/map/divergence_integrator.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// X_{s,r}(xbar | x_t, t), by integrating d xbar/ds = ubar_s(xbar | x_t, t) of the kernel with t' = 1 from s
/// to r.
///
/// `Field` is a velocity field, or a divergence of one (exact_divergence{field}): then div ubar is integrated
/// too, and m is its integral over [s, r] divided by r - s. Models diamond_map; differentiable_diamond_map
/// where the field is differentiable; diamond_map_with_divergence where it is given a divergence. With an
/// inner schedule whose sigma'(1) is infinite, m up to r = 1 needs a solver that does not evaluate the
/// velocity there, such as euler or explicit_midpoint. xbar, x_t and out are d x N. Cost: one evaluation for
/// each stage of the solver, with m one evaluation and one divergence. [GF], [DM], (eq. posterior-flow),
/// (eq. inner-divergence).
template <class Schedule, class Field, class Solver, class InnerSchedule = linear_schedule>
class glass_diamond_map {
    static_assert(diagnose_schedule<Schedule>() && detail::diagnose_field_or_divergence<Field>());
    static_assert(diagnose_solver<Solver>() && diagnose_schedule<InnerSchedule>());
    static constexpr bool has_divergence = detail::is_divergence<Field>;

public:
    using field_type = detail::velocity_of_t<Field>;
    using batch_type = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes a velocity field, or a divergence that draws nothing.
    glass_diamond_map(Schedule schedule, Field field, Solver solver, InnerSchedule inner = {})
        requires(!detail::needs_stream<Field>)
        : velocity_(schedule, detail::velocity_of<Field>::get(field), inner),
          solver_(solver),
          divergence_(estimator(std::move(schedule), std::move(field), std::move(inner)), std::move(solver),
                      noise_stream{}) {}
    /// @param stream gives the probes of a divergence that draws, the same ones along the whole path and in
    /// every call.
    glass_diamond_map(Schedule schedule, Field divergence, Solver solver, noise_stream stream,
                      InnerSchedule inner = {})
        requires detail::is_divergence<Field>
        : velocity_(schedule, detail::velocity_of<Field>::get(divergence), inner),
          solver_(solver),
          divergence_(estimator(std::move(schedule), std::move(divergence), std::move(inner)),
                      std::move(solver), stream) {}

    [[nodiscard]] index_t dimension() const { return velocity_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return velocity_.schedule(); }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return velocity_.inner_schedule(); }
    [[nodiscard]] cost spent() const { return velocity_.spent() + divergence_.spent(); }

    /// out = X_{from,to}(xbar | x_t, t, condition); t is one time or one for each column.
    /// @throws std::invalid_argument if shapes differ or a time leaves [0, 1].
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t,
                    const condition_type& condition, view out) {
        check(xbar, inner, x_t, t, out);
        xbar.context().copy(xbar.data(), xbar.size(), out.data());
        solver_(system{velocity_, x_t, t, condition, nullptr}, inner, out);
    }
    /// out = X_{from,to}(xbar | x_t, t, condition) and divergence[j] = m(xbar_j, x_t_j, t_j, from, to), N
    /// numbers in the memory of the batch. @throws std::invalid_argument if shapes differ or a time leaves
    /// [0, 1].
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t,
                    const condition_type& condition, view out, row_t<batch_type> divergence)
        requires has_divergence
    {
        check(xbar, inner, x_t, t, out);
        divergence_.integrate(
            xbar, inner,
            [&](const_view x, double s, view rate) {
                velocity_(x, time_view(s), x_t, t, posterior_kernel_coefficients, condition, rate);
            },
            [&](const_view x, double s, row_t<batch_type> rate) {
                divergence_.estimate(x, time_view(s), x_t, t, condition, divergence_.stream, rate);
            },
            out, divergence);
    }
    /// out_xbar = cotangent^T dX/d xbar and out_x_t = cotangent^T dX/dx_t of the discrete map, all d x N.
    void vjp(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition,
             const_view cotangent, view out_xbar, view out_x_t)
        requires differentiable_velocity_field<field_type>
    {
        check(xbar, inner, x_t, t, out_xbar);
        require_same_shape("glass_diamond_map::vjp", xbar, cotangent);
        require_same_shape("glass_diamond_map::vjp", xbar, const_view(out_x_t));
        xbar.context().copy(cotangent.data(), xbar.size(), out_xbar.data());
        set_to_zero(out_x_t);
        solver_.vjp(system{velocity_, x_t, t, condition, &out_x_t}, inner, xbar, out_xbar);
    }

private:
    struct system {
        inner_velocity<Schedule, field_type, InnerSchedule>& velocity;
        const_view x_t;
        time_view t;
        const condition_type& condition;
        view* x_t_cotangent;
        void operator()(const_view xbar, double s, view out) const {
            velocity(xbar, time_view(s), x_t, t, posterior_kernel_coefficients, condition, out);
        }
        void vjp(const_view xbar, double s, const_view cotangent, view out) const
            requires differentiable_velocity_field<field_type>
        {
            velocity.vjp(xbar, time_view(s), x_t, t, posterior_kernel_coefficients, condition, cotangent, out,
                         *x_t_cotangent);
        }
    };

    static void check(const_view xbar, interval inner, const_view x_t, time_view t, const_view out) {
        require_same_shape("glass_diamond_map", xbar, x_t);
        require_same_shape("glass_diamond_map", xbar, out);
        require_apart("glass_diamond_map", xbar, out);
        require_apart("glass_diamond_map", x_t, out);
        require_time("a Diamond map", t);
        require_time("a Diamond map's inner flow", inner.from);
        require_time("a Diamond map's inner flow", inner.to);
    }
    using estimator = detail::inner_divergence_of<Schedule, Field, InnerSchedule>;
    using divergence_part = std::conditional_t<
        has_divergence, detail::divergence_part<estimator, batch_type, Solver>, detail::no_divergence>;

    inner_velocity<Schedule, field_type, InnerSchedule> velocity_;
    runge_kutta<Solver, batch_type> solver_;
    [[no_unique_address]] divergence_part divergence_;
};

} // namespace diamond
