// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/glass_kernel.hpp>

#include <support/archetypes.hpp>

struct broken {};

static_assert(sizeof(diamond::glass_kernel<archetypes::schedule, broken, diamond::euler>) > 0);
