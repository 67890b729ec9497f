// expect: a Diamond map needs operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition&, view out)
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view); // a flow map, without x_t and t
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
