// expect: a value estimator needs dimension() const, the number of rows d of its batches
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
