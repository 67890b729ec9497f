// expect: a resampler must be copyable
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::resampler>;

static_assert(diamond::diagnose_resampler<broken, archetypes::context>());
