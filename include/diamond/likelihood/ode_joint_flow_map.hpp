/// The joint flow map of a velocity field by an ODE solver: the many-step reference that learned ones are held against. Section 8.
#pragma once

#include <utility>

#include <diamond/concepts/joint_flow_map.hpp>
#include <diamond/likelihood/divergence.hpp>
#include <diamond/likelihood/joint_integrator.hpp>
#include <diamond/map/ode_flow_map.hpp>

namespace diamond {

/// Integrates dx/dt = u(x, t) and dl/dt = div u(x, t) together, in double whatever the particles are: X_{t,s}(x), and m = l/(s - t).
///
/// Models joint_flow_map where the field names its schedule. An adaptive solver's step is held to both. Cost: one evaluation and one
/// divergence a stage; X alone one evaluation a stage. [F2]
template <class Divergence, class Solver>
class ode_joint_flow_map {
    static_assert(detail::estimates_divergence<Divergence>, "a joint flow map by an ODE solver needs a divergence of likelihood/divergence.hpp, or one called like them");
    static_assert(diagnose_solver<Solver>());

public:
    using field_type     = typename Divergence::field_type;
    using batch_type     = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// For a divergence that draws nothing.
    ode_joint_flow_map(Divergence divergence, Solver solver)
        requires(!Divergence::random)
        : ode_joint_flow_map(std::move(divergence), std::move(solver), noise_stream{}) {}
    /// @param stream where the probes come from, the same all along the path and in every call.
    ode_joint_flow_map(Divergence divergence, Solver solver, noise_stream stream)
        : flow_(divergence.field(), solver), field_(divergence.field()), divergence_(std::move(divergence)), integrate_(std::move(solver)), stream_(stream) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] auto    schedule() const
        requires detail::names_schedule<field_type>
    {
        return field_.field().schedule();
    }
    [[nodiscard]] cost spent() const { return flow_.spent() + field_.spent() + divergence_.spent(); }

    /// out = X_{from,to}(x | condition) alone.
    void operator()(const_view x, interval span, const condition_type& condition, view out) { flow_(x, span, condition, out); }

    /// out = X_{from,to}(x | condition), divergence[j] = m(x_j, from, to).
    /// @throws std::invalid_argument where shapes differ or a time leaves [0, 1]; numeric_error when an adaptive solver cannot reach its tolerance.
    void operator()(const_view x, interval span, const condition_type& condition, view out, double* divergence) {
        require_same_shape("ode_joint_flow_map", x, const_view(out));
        require_time("ode_joint_flow_map", span.from);
        require_time("ode_joint_flow_map", span.to);
        integrate_(
            x, span, [&](const_view at, double t, view rate) { field_(at, time_view(t), condition, rate); },
            [&](const_view at, double t, double* rate) { divergence_(at, time_view(t), condition, stream_, rate); }, out, divergence);
    }

private:
    ode_flow_map<field_type, Solver>             flow_;
    field_evaluator<field_type>                  field_;
    Divergence                                   divergence_;
    detail::joint_integrator<batch_type, Solver> integrate_;
    noise_stream                                 stream_;
};

} // namespace diamond
