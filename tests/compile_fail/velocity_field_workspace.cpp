// expect: a velocity field needs make_workspace(context, columns) const; an empty struct will do
#include <diamond/schedule/field_evaluator.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    void make_workspace() const = delete;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
