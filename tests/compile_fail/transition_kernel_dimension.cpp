// expect: a transition kernel needs dimension() const, the number of rows d of its batches
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
