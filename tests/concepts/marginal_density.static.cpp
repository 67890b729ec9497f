#include <diamond/align/log_densities.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/density/rescheduled_density.hpp>
#include <diamond/density/scored_density.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/value/weighted_value.hpp>

#include <support/archetypes.hpp>

using diamond::marginal_density, diamond::scored_marginal_density;

static_assert(marginal_density<archetypes::marginal_density> &&
              diamond::diagnose_marginal_density<archetypes::marginal_density>());
static_assert(!scored_marginal_density<archetypes::marginal_density> &&
              scored_marginal_density<archetypes::scored_marginal_density>);

struct without_schedule : archetypes::marginal_density {
    void schedule() const = delete;
};
struct without_call : archetypes::marginal_density {
    void operator()() = delete;
};
struct without_dimension : archetypes::marginal_density {
    int dimension() const = delete;
};
struct without_cost : archetypes::marginal_density {
    void spent() const = delete;
};
struct silent : archetypes::marginal_density {
    bool exact() const = delete;
};
static_assert(!marginal_density<without_schedule> && !marginal_density<without_call> &&
              !marginal_density<without_dimension>);
static_assert(!marginal_density<without_cost> && !marginal_density<silent> &&
              !marginal_density<archetypes::uncopyable<archetypes::marginal_density>>);
static_assert(!marginal_density<archetypes::posterior_sampler> &&
              !marginal_density<archetypes::velocity_field_with_density> && !marginal_density<int>);

// A flow map with divergence makes one, with a score where it is differentiable; a velocity adds one; another
// schedule reads one.
static_assert(marginal_density<diamond::flow_density<archetypes::flow_map_with_divergence>> &&
              !scored_marginal_density<diamond::flow_density<archetypes::flow_map_with_divergence>>);
static_assert(
    scored_marginal_density<diamond::flow_density<archetypes::differentiable_flow_map_with_divergence>>);
static_assert(scored_marginal_density<
              diamond::scored_density<archetypes::marginal_density, archetypes::velocity_field>>);
static_assert(
    marginal_density<diamond::rescheduled_density<archetypes::marginal_density, archetypes::schedule>> &&
    !scored_marginal_density<
        diamond::rescheduled_density<archetypes::marginal_density, archetypes::schedule>>);
static_assert(scored_marginal_density<
              diamond::rescheduled_density<archetypes::scored_marginal_density, archetypes::schedule>>);
static_assert(scored_marginal_density<
              diamond::exact_density<archetypes::schedule, archetypes::velocity_field_with_density>>);
// The trapezoid knows no more than differences: no marginal density, and a weighted value's all the same.
using trapezoid = diamond::trapezoid_density<archetypes::schedule, archetypes::velocity_field>;
static_assert(!marginal_density<trapezoid> &&
              diamond::detail::corrects_proposal<trapezoid, archetypes::flow_map>);
static_assert(diamond::detail::corrects_proposal<archetypes::marginal_density, archetypes::flow_map>);
// Guidance needs a score.
template <class Density>
using weighted = diamond::weighted_value<Density, archetypes::differentiable_flow_map,
                                         archetypes::differentiable_reward>;
static_assert(diamond::value_estimator<weighted<archetypes::marginal_density>> &&
              !diamond::value_estimator_with_gradient<weighted<archetypes::marginal_density>>);
static_assert(diamond::value_estimator_with_gradient<weighted<archetypes::scored_marginal_density>>);

// Several jumps keep what a map is.
static_assert(
    diamond::flow_map_with_divergence<diamond::stepped_flow_map<archetypes::flow_map_with_divergence>> &&
    !diamond::flow_map_with_divergence<diamond::stepped_flow_map<archetypes::flow_map>>);
static_assert(diamond::differentiable_flow_map_with_divergence<
              diamond::stepped_flow_map<archetypes::differentiable_flow_map_with_divergence>>);
static_assert(
    diamond::differentiable_flow_map<diamond::stepped_flow_map<archetypes::differentiable_flow_map>> &&
    diamond::flow_map<diamond::stepped_flow_map<archetypes::flow_map>>);

// Instantiated, no part uses more than the concepts grant. (Whole classes: clang 14 instantiates members that
// are constrained away.)
struct complete : archetypes::differentiable_flow_map_with_divergence {
    using archetypes::differentiable_flow_map_with_divergence::vjp;
    void vjp(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::const_view,
             archetypes::view);
    double base_deviation() const;
};
template class diamond::flow_density<archetypes::differentiable_flow_map_with_divergence>;
template class diamond::rescheduled_density<archetypes::scored_marginal_density, archetypes::schedule>;
template class diamond::scored_density<archetypes::marginal_density, archetypes::velocity_field>;
template class diamond::stepped_flow_map<complete>;
template class diamond::weighted_value<archetypes::scored_marginal_density,
                                       archetypes::differentiable_flow_map,
                                       archetypes::differentiable_reward>;
