// expect: a transition kernel needs bool exact() const: whether it keeps the model's marginals exactly
#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    void exact() const = delete;
};

static_assert(diamond::diagnose_transition_kernel<broken>());
