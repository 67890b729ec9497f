// expect: a transition kernel must be copyable: keep working space in diamond::scratch
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::transition_kernel>;

static_assert(diamond::diagnose_transition_kernel<broken>());
