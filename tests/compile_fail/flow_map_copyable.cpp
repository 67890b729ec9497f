// expect: a flow map must be copyable: keep working space in diamond::scratch
#include <diamond/map/flow_kernels.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::flow_map>;

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
