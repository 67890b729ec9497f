// expect: a Diamond network needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/network_flow.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
};

static_assert(sizeof(diamond::network_velocity<broken>) > 0);
