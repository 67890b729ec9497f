// expect: a schedule needs the derivatives double d_alpha(double t) const and double d_sigma(double t) const
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::schedule {
    double d_alpha(double) const = delete;
};

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
