// expect: a value estimator needs reward(), the reward whose value it estimates
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    void reward() = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
