/// What each oracle models, and what it does not.
#include <diamond/backend/eigen.hpp>
#include <diamond/backend/thrust_cpu.hpp>
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/cosine.hpp>

namespace {

using namespace diamond;

template <class Batch>
consteval bool models() {
    using normal = gaussian<Batch, cosine_schedule>;
    using mixture = gaussian_mixture<Batch, cosine_schedule>;
    using board = checkerboard<Batch, cosine_schedule>;
    static_assert(differentiable_velocity_field<normal> && velocity_field_with_density<normal> &&
                  scored_velocity_field<normal>);
    static_assert(differentiable_velocity_field<mixture> && velocity_field_with_density<mixture> &&
                  scored_velocity_field<mixture>);
    static_assert(differentiable_velocity_field<board> && velocity_field_with_density<board> &&
                  scored_velocity_field<board>);

    static_assert(differentiable_flow_map<gaussian_flow_map<Batch, cosine_schedule>>);
    static_assert(differentiable_diamond_map<gaussian_diamond_map<Batch, cosine_schedule>>);
    static_assert(differentiable_diamond_map<gaussian_diamond_map<Batch, cosine_schedule, cosine_schedule>>);

    static_assert(field_with_posterior<normal> && field_with_posterior<mixture> &&
                  field_with_posterior<board>);
    static_assert(differentiable_posterior_sampler<exact_posterior<normal>>);
    // A discrete choice has no derivative; a flow map is no velocity field.
    static_assert(posterior_sampler<exact_posterior<mixture>> &&
                  !differentiable_posterior_sampler<exact_posterior<mixture>>);
    static_assert(posterior_sampler<exact_posterior<board>> &&
                  !differentiable_posterior_sampler<exact_posterior<board>>);
    static_assert(!field_with_posterior<gaussian_flow_map<Batch, cosine_schedule>>);

    static_assert(tiltable_field<normal> && tiltable_field<mixture> && !tiltable_field<board>);
    static_assert(value_estimator_with_gradient<exact_value<normal, linear_reward<Batch>>>);
    static_assert(value_estimator_with_gradient<exact_value<mixture, linear_reward<Batch>>>);
    return true;
}
static_assert(models<eigen::batch<float>>() && models<eigen::batch<double>>());
static_assert(models<thrust_cpu::batch<float>>() && models<thrust_cpu::batch<double>>());

} // namespace
