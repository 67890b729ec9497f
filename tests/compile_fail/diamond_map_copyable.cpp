// expect: a Diamond map must be copyable: keep working space in diamond::scratch
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::diamond_map>;

static_assert(diamond::diagnose_diamond_map<broken>());
