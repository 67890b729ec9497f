// expect: a flow map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view);
    diamond::cost spent() const;
};

static_assert(diamond::diagnose_flow_map<broken>());
