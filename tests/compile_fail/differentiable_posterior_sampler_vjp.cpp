// expect: a differentiable posterior sampler needs vjp(x_t, t, condition, stream, cotangent, out)
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_posterior_sampler {
    void vjp() = delete;
};

static_assert(diamond::diagnose_differentiable_posterior_sampler<broken>());
