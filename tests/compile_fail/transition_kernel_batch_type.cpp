// expect: a transition kernel needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream, archetypes::view);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
