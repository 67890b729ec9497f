// expect: a posterior sampler needs schedule() const, its noise schedule
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
