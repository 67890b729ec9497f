#include <diamond/likelihood/ode_joint_flow_map.hpp>
#include <diamond/likelihood/self_guidance.hpp>

#include <support/archetypes.hpp>

using diamond::joint_flow_map, diamond::differentiable_joint_flow_map;

static_assert(joint_flow_map<archetypes::joint_flow_map> && diamond::diagnose_joint_flow_map<archetypes::joint_flow_map>());
static_assert(diamond::flow_map<archetypes::joint_flow_map>);
static_assert(!differentiable_joint_flow_map<archetypes::joint_flow_map>);
static_assert(differentiable_joint_flow_map<archetypes::differentiable_joint_flow_map>);
static_assert(diamond::diagnose_differentiable_joint_flow_map<archetypes::differentiable_joint_flow_map>());
static_assert(!joint_flow_map<archetypes::flow_map> && !joint_flow_map<archetypes::differentiable_flow_map> && !joint_flow_map<int>);

struct without_schedule : archetypes::joint_flow_map {
    void schedule() const = delete;
};
struct without_map_alone : archetypes::joint_flow_map {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view, double*);
};
struct without_cost : archetypes::joint_flow_map {
    void spent() const = delete;
};
static_assert(!joint_flow_map<without_schedule> && !joint_flow_map<without_map_alone> && !joint_flow_map<without_cost>);
static_assert(!joint_flow_map<archetypes::uncopyable<archetypes::joint_flow_map>>);

// An ODE gives a joint flow map where its field names a schedule, and only then.
struct scheduled_field : archetypes::differentiable_velocity_field {
    archetypes::schedule schedule() const;
};
static_assert(joint_flow_map<diamond::ode_joint_flow_map<diamond::exact_divergence<scheduled_field>, diamond::euler>>);
static_assert(
    !joint_flow_map<diamond::ode_joint_flow_map<diamond::exact_divergence<archetypes::differentiable_velocity_field>, diamond::euler>>);

// What draws takes a stream.
template <class Divergence>
inline constexpr bool needs_no_stream =
    std::constructible_from<diamond::ode_joint_flow_map<Divergence, diamond::euler>, Divergence, diamond::euler>;
static_assert(needs_no_stream<diamond::exact_divergence<scheduled_field>> &&
              !needs_no_stream<diamond::hutchinson_divergence<scheduled_field>>);

// Every objective is made of archetypes alone.
static_assert(diamond::detail::descends<diamond::negative_log_likelihood<archetypes::differentiable_joint_flow_map>>);
static_assert(diamond::detail::descends<
              diamond::negative_log_posterior<archetypes::differentiable_joint_flow_map, archetypes::differentiable_reward>>);
static_assert(diamond::detail::descends<diamond::negative_log_prior<archetypes::batch>>);

// Instantiated, no part uses more than the concepts grant.
template class diamond::log_likelihood<archetypes::joint_flow_map>;
template class diamond::self_guidance<
    diamond::negative_log_posterior<archetypes::differentiable_joint_flow_map, archetypes::differentiable_reward>>;
