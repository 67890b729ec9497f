// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/flow_kernels.hpp>

#include <support/archetypes.hpp>

struct broken {};

static_assert(sizeof(diamond::euler_maruyama_kernel<archetypes::schedule, broken>) > 0);
