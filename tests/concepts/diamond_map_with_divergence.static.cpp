#include <diamond/density/jacobian_network.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/resampled_posterior.hpp>
#include <diamond/value/posterior_value.hpp>

#include <support/archetypes.hpp>

using diamond::diamond_map_with_divergence, diamond::diamond_network_with_divergence,
    diamond::network_diamond_map;

static_assert(diamond_map_with_divergence<archetypes::diamond_map_with_divergence> &&
              diamond::diagnose_diamond_map_with_divergence<archetypes::diamond_map_with_divergence>());
static_assert(diamond::diamond_map<archetypes::diamond_map_with_divergence> &&
              !diamond_map_with_divergence<archetypes::diamond_map> &&
              !diamond_map_with_divergence<archetypes::flow_map_with_divergence> &&
              !diamond_map_with_divergence<int>);

struct of_floats : archetypes::diamond_map {
    using archetypes::diamond_map::operator();
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view,
                    diamond::no_condition, archetypes::view, float*); // densities are double
};
struct without_map_alone : archetypes::diamond_map_with_divergence {
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view,
                    diamond::no_condition, archetypes::view, archetypes::row);
};
struct without_inner_schedule : archetypes::diamond_map_with_divergence {
    void inner_schedule() const = delete;
};
static_assert(!diamond_map_with_divergence<of_floats> && !diamond_map_with_divergence<without_map_alone> &&
              !diamond_map_with_divergence<without_inner_schedule>);
static_assert(!diamond_map_with_divergence<archetypes::uncopyable<archetypes::diamond_map_with_divergence>>);

// Networks: a head, or derivatives alone by their determinant.
static_assert(
    diamond_network_with_divergence<archetypes::diamond_network_with_divergence> &&
    diamond::diagnose_diamond_network_with_divergence<archetypes::diamond_network_with_divergence>());
static_assert(
    !diamond::differentiable_diamond_network_with_divergence<archetypes::diamond_network_with_divergence> &&
    diamond::differentiable_diamond_network_with_divergence<
        archetypes::differentiable_diamond_network_with_divergence>);
using by_determinant = diamond::jacobian_network<archetypes::differentiable_diamond_network>;
static_assert(diamond_network_with_divergence<by_determinant> &&
              diamond::differentiable_diamond_network<by_determinant> &&
              !diamond::differentiable_diamond_network_with_divergence<by_determinant>);
static_assert(diamond_map_with_divergence<network_diamond_map<archetypes::diamond_network_with_divergence>> &&
              diamond_map_with_divergence<network_diamond_map<by_determinant>>);
static_assert(!diamond_map_with_divergence<network_diamond_map<archetypes::diamond_network>> &&
              diamond::differentiable_diamond_map<network_diamond_map<by_determinant>>);
static_assert(diamond::flow_map_with_divergence<diamond::network_flow_map<by_determinant>> &&
              !diamond::differentiable_flow_map_with_divergence<diamond::network_flow_map<by_determinant>>);

// Draws and transitions with densities, and weights made of them.
static_assert(
    diamond::posterior_sampler_with_density<
        diamond::diamond_map_posterior<archetypes::diamond_map_with_divergence>> &&
    !diamond::posterior_sampler_with_density<diamond::diamond_map_posterior<archetypes::diamond_map>>);
static_assert(diamond::transition_kernel_with_density<
                  diamond::early_stop_kernel<archetypes::diamond_map_with_divergence>> &&
              !diamond::transition_kernel_with_density<diamond::early_stop_kernel<archetypes::diamond_map>>);
using weighted_draws = diamond::corrected_posterior<archetypes::posterior_sampler_with_density,
                                                    archetypes::marginal_density>;
using weighted_moves = diamond::corrected_kernel<archetypes::transition_kernel_with_density,
                                                 archetypes::marginal_density>;
static_assert(diamond::weighted_posterior_sampler<weighted_draws> &&
              !diamond::posterior_sampler<weighted_draws>);
static_assert(diamond::weighted_transition_kernel<weighted_moves> &&
              !diamond::transition_kernel<weighted_moves>);
static_assert(diamond::posterior_sampler<diamond::resampled_posterior<weighted_draws>> &&
              !diamond::weighted_posterior_sampler<diamond::resampled_posterior<weighted_draws>>);
static_assert(diamond::value_estimator_with_gradient<
              diamond::posterior_value<weighted_draws, archetypes::differentiable_reward>>);

// Instantiated, no part uses more than the concepts grant. (Whole classes: clang 14 instantiates members that
// are constrained away.)
struct complete : archetypes::diamond_map_with_divergence {
    void vjp(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view,
             diamond::no_condition, archetypes::const_view, archetypes::view, archetypes::view);
};
template class diamond::network_diamond_map<archetypes::differentiable_diamond_network_with_divergence>;
template class diamond::jacobian_network<archetypes::differentiable_diamond_network>;
template class diamond::diamond_map_posterior<complete>;
template class diamond::early_stop_kernel<archetypes::diamond_map_with_divergence>;
template class diamond::corrected_posterior<archetypes::posterior_sampler_with_density,
                                            archetypes::marginal_density>;
template class diamond::corrected_kernel<archetypes::transition_kernel_with_density,
                                         archetypes::marginal_density>;
template class diamond::resampled_posterior<archetypes::weighted_posterior_sampler>;
template class diamond::posterior_value<archetypes::weighted_posterior_sampler, archetypes::batchwise_reward>;
