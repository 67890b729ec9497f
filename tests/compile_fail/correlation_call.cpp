// expect: a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]
#include <diamond/map/glass_kernel.hpp>

#include <support/archetypes.hpp>

struct broken {
    double operator()(double, double) const; // bare times
};

static_assert(sizeof(diamond::glass_kernel<archetypes::schedule, archetypes::velocity_field, diamond::euler, broken>) > 0);
