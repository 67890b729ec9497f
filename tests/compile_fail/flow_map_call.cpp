// expect: a flow map needs operator()(const_view x, interval, const condition&, view out) that writes X_{from,to}(x) into out
#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    void operator()(archetypes::const_view, double, double, archetypes::view); // bare floats, no condition
};

static_assert(diamond::diagnose_flow_map<broken>());
