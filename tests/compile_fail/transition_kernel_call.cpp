// expect: a transition kernel needs operator()(const_view x, interval, const condition&, noise_stream, view out) that draws x_to into out
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view); // whence its randomness?
};

static_assert(sizeof(diamond::chain<broken>) > 0);
