// expect: a transition kernel needs spent() const, the diamond::cost of its calls so far
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    void spent() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
