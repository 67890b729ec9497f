// expect: a measurement needs outputs() const, the number of rows m of what it writes
#include <diamond/reward/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::measurement {
    int outputs() const = delete;
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
