// expect: a value estimator needs reward(), the reward whose value it estimates
#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    void reward() = delete;
};

static_assert(diamond::diagnose_value_estimator<broken>());
