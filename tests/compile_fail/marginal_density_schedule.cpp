// expect: a marginal density needs schedule() const, the noise schedule of its times
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::marginal_density {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
