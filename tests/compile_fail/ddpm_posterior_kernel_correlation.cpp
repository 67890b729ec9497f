// expect: a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::ddpm_posterior_kernel<archetypes::posterior_sampler, double>) > 0);
