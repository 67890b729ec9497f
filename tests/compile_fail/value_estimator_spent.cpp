// expect: a value estimator needs spent() const, the diamond::cost of its calls so far
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    void spent() const = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
