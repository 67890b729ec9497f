// expect: a value estimator must be copyable: keep working space in diamond::scratch
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::value_estimator>;

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
