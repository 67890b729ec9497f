// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/glass_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken {};

static_assert(sizeof(diamond::glass_diamond_map<archetypes::schedule, broken, diamond::euler>) > 0);
