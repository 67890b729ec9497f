// expect: a differentiable Diamond map needs vjp(xbar, inner, x_t, t, condition, cotangent, out_xbar, out_x_t)
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_diamond_map {
    void vjp(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view, diamond::no_condition,
             archetypes::const_view, archetypes::view); // one cotangent only
};

static_assert(diamond::diagnose_differentiable_diamond_map<broken>());
