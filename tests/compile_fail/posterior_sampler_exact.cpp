// expect: a posterior sampler needs bool exact() const: whether its draws follow the model's posterior exactly
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void exact() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
