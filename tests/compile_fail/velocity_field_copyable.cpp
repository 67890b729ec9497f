// expect: a velocity field must be copyable: share its weights through std::shared_ptr<const ...>
#include <diamond/schedule/field_evaluator.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::velocity_field>;

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
