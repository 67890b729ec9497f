// expect: a resampler must be copyable
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::resampler>;

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
