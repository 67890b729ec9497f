// expect: a flow map needs operator()
#include <diamond/map/stepped_flow_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    void operator()() = delete;
};

static_assert(sizeof(diamond::stepped_flow_map<broken>) > 0);
