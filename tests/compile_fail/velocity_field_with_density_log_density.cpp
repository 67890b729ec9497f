// expect: a velocity field with density needs log_density(x, t, condition, workspace, double* out) const
#include <diamond/value/marginal_density.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field_with_density {
    void log_density() const = delete;
};

static_assert(sizeof(diamond::exact_density<archetypes::schedule, broken>) > 0);
