// expect: a value estimator must be copyable: keep working space in diamond::scratch
#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::value_estimator>;

static_assert(diamond::diagnose_value_estimator<broken>());
