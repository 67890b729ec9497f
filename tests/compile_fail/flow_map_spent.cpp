// expect: a flow map needs spent() const, the diamond::cost of its calls so far
#include <diamond/map/flow_kernels.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::flow_map {
    void spent() const = delete;
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
