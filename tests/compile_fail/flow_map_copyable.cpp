// expect: a flow map must be copyable: keep working space in diamond::scratch
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::flow_map>;

static_assert(diamond::diagnose_flow_map<broken>());
