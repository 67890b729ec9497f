// expect: a flow map needs spent() const, the diamond::cost of its calls so far
#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    void spent() const = delete;
};

static_assert(diamond::diagnose_flow_map<broken>());
