// expect: a driver works in memory of its own, so it is not called const: call one that is not, or a copy of it
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

void run(const diamond::chain<archetypes::transition_kernel>& chain, const archetypes::context& context) { chain(context, diamond::philox{42}); }
