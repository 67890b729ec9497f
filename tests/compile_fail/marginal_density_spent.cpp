// expect: a marginal density needs spent() const, the diamond::cost of its calls so far
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::marginal_density {
    void spent() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
