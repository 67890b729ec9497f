#include <diamond/align/self_guidance.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/map/ode_flow_map.hpp>

#include <support/archetypes.hpp>

using diamond::flow_map_with_divergence, diamond::differentiable_flow_map_with_divergence;

static_assert(flow_map_with_divergence<archetypes::flow_map_with_divergence> &&
              diamond::diagnose_flow_map_with_divergence<archetypes::flow_map_with_divergence>());
static_assert(diamond::flow_map<archetypes::flow_map_with_divergence>);
static_assert(!differentiable_flow_map_with_divergence<archetypes::flow_map_with_divergence>);
static_assert(differentiable_flow_map_with_divergence<archetypes::differentiable_flow_map_with_divergence>);
static_assert(diamond::diagnose_differentiable_flow_map_with_divergence<
              archetypes::differentiable_flow_map_with_divergence>());
static_assert(!flow_map_with_divergence<archetypes::flow_map> &&
              !flow_map_with_divergence<archetypes::differentiable_flow_map> &&
              !flow_map_with_divergence<int>);

struct without_schedule : archetypes::flow_map_with_divergence {
    void schedule() const = delete;
};
struct without_map_alone : archetypes::flow_map_with_divergence {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view,
                    archetypes::row);
};
struct without_cost : archetypes::flow_map_with_divergence {
    void spent() const = delete;
};
static_assert(!flow_map_with_divergence<without_schedule> && !flow_map_with_divergence<without_map_alone> &&
              !flow_map_with_divergence<without_cost>);
static_assert(!flow_map_with_divergence<archetypes::uncopyable<archetypes::flow_map_with_divergence>>);

// An ODE gives a flow map with divergence where its field names a schedule, and only then.
struct scheduled_field : archetypes::differentiable_velocity_field {
    archetypes::schedule schedule() const;
};
static_assert(flow_map_with_divergence<
              diamond::ode_flow_map<diamond::exact_divergence<scheduled_field>, diamond::euler>>);
static_assert(!flow_map_with_divergence<diamond::ode_flow_map<
                  diamond::exact_divergence<archetypes::differentiable_velocity_field>, diamond::euler>>);

// What draws takes a stream.
template <class Divergence>
inline constexpr bool needs_no_stream =
    std::constructible_from<diamond::ode_flow_map<Divergence, diamond::euler>, Divergence, diamond::euler>;
static_assert(needs_no_stream<diamond::exact_divergence<scheduled_field>> &&
              !needs_no_stream<diamond::hutchinson_divergence<scheduled_field>>);

// Every objective is made of archetypes alone.
static_assert(diamond::detail::descends<
              diamond::negative_log_likelihood<archetypes::differentiable_flow_map_with_divergence>>);
static_assert(diamond::detail::descends<diamond::negative_log_posterior<
                  archetypes::differentiable_flow_map_with_divergence, archetypes::differentiable_reward>>);
static_assert(diamond::detail::descends<diamond::negative_log_prior<archetypes::batch>>);

// Instantiated, no part uses more than the concepts grant.
template class diamond::log_likelihood<archetypes::flow_map_with_divergence>;
template class diamond::self_guidance<diamond::negative_log_posterior<
    archetypes::differentiable_flow_map_with_divergence, archetypes::differentiable_reward>>;
