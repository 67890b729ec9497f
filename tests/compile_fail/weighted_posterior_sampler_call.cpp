// expect: a weighted posterior sampler needs operator()(const_view x_t, double t, const condition&, noise_stream, view out, double* log_weights), N * stream.samples of them
#include <diamond/map/resampled_posterior.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::resampled_posterior<archetypes::posterior_sampler>) > 0); // without weights
