// expect: a schedule must be copyable: it travels by value into maps and kernels
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::schedule>;

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
