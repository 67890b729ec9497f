// expect: a posterior sampler needs operator()(const_view x_t, double t, const condition&, noise_stream, view out), out d x (N *
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void operator()(archetypes::const_view, double, diamond::no_condition, archetypes::view); // whence its randomness?
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
