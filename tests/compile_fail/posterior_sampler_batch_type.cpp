// expect: a posterior sampler needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/posterior_kernels.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream, archetypes::view);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
