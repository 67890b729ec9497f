// expect: a differentiable posterior sampler needs vjp(x_t, t, condition, stream, cotangent, out)
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_posterior_sampler {
    void vjp() = delete;
};

static_assert(sizeof(diamond::pathwise_posterior_value<broken, archetypes::differentiable_reward>) > 0);
