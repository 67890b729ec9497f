// expect: a transition kernel needs dimension() const, the number of rows d of its batches
#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    int dimension() const = delete;
};

static_assert(diamond::diagnose_transition_kernel<broken>());
