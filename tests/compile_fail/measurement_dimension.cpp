// expect: a measurement needs dimension() const, the number of rows d of its samples
#include <diamond/reward/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::measurement {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
