// expect: a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_reward {
    void gradient() = delete;
};

static_assert(sizeof(diamond::pathwise_posterior_value<archetypes::differentiable_posterior_sampler, broken>) > 0);
