#include <diamond/likelihood/jacobian_network.hpp>
#include <diamond/likelihood/network_joint_flow_map.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/posterior_diamond_map.hpp>
#include <diamond/map/resampled_posterior.hpp>
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

using diamond::joint_diamond_map, diamond::joint_diamond_network, diamond::posterior_diamond_map;

static_assert(joint_diamond_map<archetypes::joint_diamond_map> && diamond::diagnose_joint_diamond_map<archetypes::joint_diamond_map>());
static_assert(diamond::diamond_map<archetypes::joint_diamond_map> && !joint_diamond_map<archetypes::diamond_map> && !joint_diamond_map<archetypes::joint_flow_map> && !joint_diamond_map<int>);

struct of_floats : archetypes::diamond_map {
    using archetypes::diamond_map::operator();
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view, diamond::no_condition, archetypes::view, float*); // densities are double
};
struct without_map_alone : archetypes::joint_diamond_map {
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view, diamond::no_condition, archetypes::view, double*);
};
struct without_inner_schedule : archetypes::joint_diamond_map {
    void inner_schedule() const = delete;
};
static_assert(!joint_diamond_map<of_floats> && !joint_diamond_map<without_map_alone> && !joint_diamond_map<without_inner_schedule>);
static_assert(!joint_diamond_map<archetypes::uncopyable<archetypes::joint_diamond_map>>);

// Networks: a head, or derivatives alone by their determinant.
static_assert(joint_diamond_network<archetypes::joint_diamond_network> && diamond::diagnose_joint_diamond_network<archetypes::joint_diamond_network>());
static_assert(!diamond::differentiable_joint_diamond_network<archetypes::joint_diamond_network> && diamond::differentiable_joint_diamond_network<archetypes::differentiable_joint_diamond_network>);
using by_determinant = diamond::jacobian_network<archetypes::differentiable_diamond_network>;
static_assert(joint_diamond_network<by_determinant> && diamond::differentiable_diamond_network<by_determinant> && !diamond::differentiable_joint_diamond_network<by_determinant>);
static_assert(joint_diamond_map<posterior_diamond_map<archetypes::joint_diamond_network>> && joint_diamond_map<posterior_diamond_map<by_determinant>>);
static_assert(!joint_diamond_map<posterior_diamond_map<archetypes::diamond_network>> && diamond::differentiable_diamond_map<posterior_diamond_map<by_determinant>>);
static_assert(diamond::joint_flow_map<diamond::network_joint_flow_map<by_determinant>> && !diamond::differentiable_joint_flow_map<diamond::network_joint_flow_map<by_determinant>>);

// Draws and transitions with densities, and weights made of them.
static_assert(diamond::posterior_sampler_with_density<diamond::diamond_posterior<archetypes::joint_diamond_map>> &&
              !diamond::posterior_sampler_with_density<diamond::diamond_posterior<archetypes::diamond_map>>);
static_assert(diamond::transition_kernel_with_density<diamond::early_stop_kernel<archetypes::joint_diamond_map>> &&
              !diamond::transition_kernel_with_density<diamond::early_stop_kernel<archetypes::diamond_map>>);
using weighted_draws = diamond::corrected_posterior<archetypes::posterior_sampler_with_density, archetypes::marginal_density>;
using weighted_moves = diamond::corrected_kernel<archetypes::transition_kernel_with_density, archetypes::marginal_density>;
static_assert(diamond::weighted_posterior_sampler<weighted_draws> && !diamond::posterior_sampler<weighted_draws>);
static_assert(diamond::weighted_transition_kernel<weighted_moves> && !diamond::transition_kernel<weighted_moves>);
static_assert(diamond::posterior_sampler<diamond::resampled_posterior<weighted_draws>> && !diamond::weighted_posterior_sampler<diamond::resampled_posterior<weighted_draws>>);
static_assert(diamond::value_estimator_with_gradient<diamond::posterior_value<weighted_draws, archetypes::differentiable_reward>>);

// Instantiated, no part uses more than the concepts grant. (Whole classes: clang 14 instantiates members that are constrained away.)
struct complete : archetypes::joint_diamond_map {
    void vjp(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view, diamond::no_condition, archetypes::const_view, archetypes::view, archetypes::view);
};
template class diamond::posterior_diamond_map<archetypes::differentiable_joint_diamond_network>;
template class diamond::jacobian_network<archetypes::differentiable_diamond_network>;
template class diamond::diamond_posterior<complete>;
template class diamond::early_stop_kernel<archetypes::joint_diamond_map>;
template class diamond::corrected_posterior<archetypes::posterior_sampler_with_density, archetypes::marginal_density>;
template class diamond::corrected_kernel<archetypes::transition_kernel_with_density, archetypes::marginal_density>;
template class diamond::resampled_posterior<archetypes::weighted_posterior_sampler>;
template class diamond::posterior_value<archetypes::weighted_posterior_sampler, archetypes::batchwise_reward>;
