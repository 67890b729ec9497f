// expect: a Diamond map must be copyable: keep working space in diamond::scratch
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::diamond_map>;

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
