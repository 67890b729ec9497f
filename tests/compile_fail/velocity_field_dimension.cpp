// expect: a velocity field needs dimension() const, the number of rows d of its batches
#include <diamond/schedule/field_evaluator.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
