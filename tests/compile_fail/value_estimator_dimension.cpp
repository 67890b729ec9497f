// expect: a value estimator needs dimension() const, the number of rows d of its batches
#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    int dimension() const = delete;
};

static_assert(diamond::diagnose_value_estimator<broken>());
