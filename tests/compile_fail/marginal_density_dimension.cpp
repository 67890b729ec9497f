// expect: a marginal density needs dimension() const, the number of rows d of its batches
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::marginal_density {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
