// expect: a weighted transition kernel must be copyable and needs batch_type, dimension(), spent() and bool exact(), as a transition kernel does
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::weighted_transition_kernel>;

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
