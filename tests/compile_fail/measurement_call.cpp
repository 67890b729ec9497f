// expect: a measurement needs operator()(const_view z, view out) that writes A(z) into out
#include <diamond/reward/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::measurement {
    void operator()(archetypes::view) const; // in place
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
