// expect: a transition kernel needs bool exact() const: whether it keeps the model's marginals exactly
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    void exact() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
