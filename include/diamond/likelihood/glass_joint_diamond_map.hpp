/// The joint Diamond map of any velocity field, by integrating GLASS's posterior flow and its divergence: the many-step reference of learned ones.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/joint_diamond_map.hpp>
#include <diamond/likelihood/inner_divergence.hpp>
#include <diamond/likelihood/joint_integrator.hpp>
#include <diamond/map/glass_diamond_map.hpp>

namespace diamond {

/// X_{s,r}(xbar | x_t, t) as glass_diamond_map's, and m = integral of div ubar over [s, r] by its length. Models joint_diamond_map. The way to the end r = 1 of an inner
/// schedule whose sigma'(1) is infinite needs a solver that does not read it, as euler and explicit_midpoint.
/// Cost: one evaluation and one divergence a stage; X alone one evaluation a stage. [GF], section 8.
template <class Schedule, class Divergence, class Solver, class InnerSchedule = linear_schedule>
class glass_joint_diamond_map {
    static_assert(detail::estimates_divergence<Divergence>, "a joint Diamond map by an ODE solver needs a divergence of likelihood/divergence.hpp, or one called like them");
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<InnerSchedule>() && diagnose_solver<Solver>());

public:
    using field_type     = typename Divergence::field_type;
    using batch_type     = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// For a divergence that draws nothing.
    glass_joint_diamond_map(Schedule schedule, Divergence divergence, Solver solver, InnerSchedule inner = {})
        requires(!Divergence::random)
        : glass_joint_diamond_map(std::move(schedule), std::move(divergence), std::move(solver), noise_stream{}, std::move(inner)) {}
    /// @param stream where the probes come from, the same all along the path and in every call.
    glass_joint_diamond_map(Schedule schedule, Divergence divergence, Solver solver, noise_stream stream, InnerSchedule inner = {})
        : map_(schedule, divergence.field(), solver, inner), velocity_(schedule, divergence.field(), inner), divergence_(schedule, std::move(divergence), inner), integrate_(solver), stream_(stream) {}

    [[nodiscard]] index_t              dimension() const { return map_.dimension(); }
    [[nodiscard]] const Schedule&      schedule() const { return map_.schedule(); }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return map_.inner_schedule(); }
    [[nodiscard]] cost                 spent() const { return map_.spent() + velocity_.spent() + divergence_.spent(); }

    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition, view out) { map_(xbar, inner, x_t, t, condition, out); }
    /// @throws std::invalid_argument where shapes differ or a time leaves [0, 1].
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition, view out, double* divergence) {
        require_same_shape("glass_joint_diamond_map", xbar, x_t);
        require_same_shape("glass_joint_diamond_map", xbar, const_view(out));
        require_time("a Diamond map", t);
        require_time("a Diamond map's inner flow", inner.from);
        require_time("a Diamond map's inner flow", inner.to);
        integrate_(
            xbar, inner, [&](const_view x, double s, view rate) { velocity_(x, time_view(s), x_t, t, posterior_kernel_coefficients, condition, rate); },
            [&](const_view x, double s, double* rate) { divergence_(x, time_view(s), x_t, t, condition, stream_, rate); }, out, divergence);
    }

private:
    glass_diamond_map<Schedule, field_type, Solver, InnerSchedule> map_;
    inner_velocity<Schedule, field_type, InnerSchedule>            velocity_;
    inner_divergence<Schedule, Divergence, InnerSchedule>          divergence_;
    detail::joint_integrator<batch_type, Solver>                   integrate_;
    noise_stream                                                   stream_;
};
template <class Schedule, class Divergence, class Solver>
glass_joint_diamond_map(Schedule, Divergence, Solver) -> glass_joint_diamond_map<Schedule, Divergence, Solver>;
template <class Schedule, class Divergence, class Solver, class InnerSchedule>
    requires(!std::is_same_v<InnerSchedule, noise_stream>)
glass_joint_diamond_map(Schedule, Divergence, Solver, InnerSchedule) -> glass_joint_diamond_map<Schedule, Divergence, Solver, InnerSchedule>;
template <class Schedule, class Divergence, class Solver>
glass_joint_diamond_map(Schedule, Divergence, Solver, noise_stream) -> glass_joint_diamond_map<Schedule, Divergence, Solver>;
template <class Schedule, class Divergence, class Solver, class InnerSchedule>
glass_joint_diamond_map(Schedule, Divergence, Solver, noise_stream, InnerSchedule) -> glass_joint_diamond_map<Schedule, Divergence, Solver, InnerSchedule>;

} // namespace diamond
