// expect: this kernel's transitions carry weights that would be lost here: give it kernel.kernel(), uncorrected, or use smc, which carries them
#include <diamond/align/chain.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::chain<archetypes::weighted_transition_kernel>) > 0);
