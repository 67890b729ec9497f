// expect: these posterior draws carry weights that would be lost here: give it resampled_posterior{sampler}, which draws by them, or sampler.sampler()
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::ddpm_posterior_kernel<archetypes::weighted_posterior_sampler>) > 0);
