// expect: a guided field needs a network with `using condition_type = diamond::labels;`
#include <diamond/schedule/guided_field.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::guided_field<archetypes::velocity_field>) > 0);
