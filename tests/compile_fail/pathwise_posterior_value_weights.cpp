// expect: pathwise guidance does not differentiate the weights of draws: use posterior_value, whose guidance needs no derivative, or sampler.sampler()
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct differentiable : archetypes::weighted_posterior_sampler {
    void vjp(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream, archetypes::const_view, archetypes::view);
};

static_assert(sizeof(diamond::pathwise_posterior_value<differentiable, archetypes::differentiable_reward>) > 0);
