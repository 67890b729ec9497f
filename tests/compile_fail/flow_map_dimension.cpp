// expect: a flow map needs dimension() const, the number of rows d of its batches
#include <diamond/map/flow_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
