// expect: a posterior sampler needs dimension() const, the number of rows d of its batches
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
