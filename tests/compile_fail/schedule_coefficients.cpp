// expect: a schedule needs double alpha(double t) const and double sigma(double t) const
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::schedule {
    double sigma(double) const = delete;
};

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
