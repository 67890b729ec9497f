// expect: a measurement must be copyable: share its parameters, keep working space in diamond::scratch
#include <diamond/reward/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::measurement>;

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
