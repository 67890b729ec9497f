// expect: a posterior sampler needs spent() const, the diamond::cost of its calls so far
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void spent() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
