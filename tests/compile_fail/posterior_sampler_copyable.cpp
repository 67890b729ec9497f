// expect: a posterior sampler must be copyable: keep working space in diamond::scratch
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::posterior_sampler>;

static_assert(diamond::diagnose_posterior_sampler<broken>());
