// expect: a velocity field needs operator()(const_view x, time_view t, const condition&, workspace&, view out) const that writes u(x, t) into
#include <diamond/schedule/field_evaluator.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    void operator()(archetypes::const_view, double, archetypes::view) const; // no condition, no workspace
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
