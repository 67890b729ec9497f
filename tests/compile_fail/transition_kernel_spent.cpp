// expect: a transition kernel needs spent() const, the diamond::cost of its calls so far
#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    void spent() const = delete;
};

static_assert(diamond::diagnose_transition_kernel<broken>());
