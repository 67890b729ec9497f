// expect: a value estimator needs spent() const, the diamond::cost of its calls so far
#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    void spent() const = delete;
};

static_assert(diamond::diagnose_value_estimator<broken>());
