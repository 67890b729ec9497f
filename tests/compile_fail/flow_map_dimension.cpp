// expect: a flow map needs dimension() const, the number of rows d of its batches
#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    int dimension() const = delete;
};

static_assert(diamond::diagnose_flow_map<broken>());
