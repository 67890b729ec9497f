// expect: a flow map needs operator()(const_view x, interval, const condition&, view out) that writes X_{from,to}(x) into out
#include <diamond/map/flow_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    void operator()(archetypes::const_view, double, double, archetypes::view); // bare floats, no condition
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
