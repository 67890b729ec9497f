// expect: a marginal density must be copyable: keep working space in diamond::scratch
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::marginal_density>;

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
