// expect: a transition kernel must be copyable: keep working space in diamond::scratch
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::transition_kernel>;

static_assert(sizeof(diamond::chain<broken>) > 0);
