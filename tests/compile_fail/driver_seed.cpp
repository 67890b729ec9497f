// expect: a run draws its numbers by philox: write diamond::philox{42} where you have a seed, 42
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

void run(diamond::chain<archetypes::transition_kernel>& chain, const archetypes::context& context) { chain(context, 42); }
