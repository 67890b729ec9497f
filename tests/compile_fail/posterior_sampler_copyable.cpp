// expect: a posterior sampler must be copyable: keep working space in diamond::scratch
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::posterior_sampler>;

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
