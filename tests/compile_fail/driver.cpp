// What is refused of a driver, and in which words: see CMakeLists.txt.
#include <diamond/align/chain.hpp>
#include <diamond/align/grouped_smc.hpp>
#include <diamond/align/search.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/align/tree_search.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // beam_weights
// expect: this kernel's transitions carry weights that would be lost here: give it kernel.kernel(),
// uncorrected, or use smc, which carries them
static_assert(sizeof(diamond::beam<archetypes::weighted_transition_kernel, archetypes::value_estimator>) > 0);
#endif

#if CASE == 2 // best_of_n_weights
// expect: this kernel's transitions carry weights that would be lost here: give it kernel.kernel(),
// uncorrected, or use smc, which carries them
static_assert(
    sizeof(diamond::best_of_n<archetypes::weighted_transition_kernel, archetypes::batchwise_reward>) > 0);
#endif

#if CASE == 3 // chain_weights
// expect: this kernel's transitions carry weights that would be lost here: give it kernel.kernel(),
// uncorrected, or use smc, which carries them
static_assert(sizeof(diamond::chain<archetypes::weighted_transition_kernel>) > 0);
#endif

#if CASE == 4 // driver_const
// expect: a driver works in memory of its own, so it is not called const: call one that is not, or a copy of
// it
void run(const diamond::chain<archetypes::transition_kernel>& chain, const archetypes::context& context) {
    chain(context, diamond::philox{42});
}
#endif

#if CASE == 5 // driver_const_step
// expect: a driver works in memory of its own, so it is not called const: call one that is not, or a copy of
// it
template <class Sampler>
void step(const Sampler& sampler, typename Sampler::state& state) {
    sampler.step(state);
}
template void step(const diamond::smc<archetypes::transition_kernel, archetypes::value_estimator>&,
                   diamond::smc<archetypes::transition_kernel, archetypes::value_estimator>::state&);
#endif

#if CASE == 6 // driver_seed
// expect: a run draws its numbers by philox: write diamond::philox{42} where you have a seed, 42
void run(diamond::chain<archetypes::transition_kernel>& chain, const archetypes::context& context) {
    chain(context, 42);
}
#endif

#if CASE == 7 // driver_state_of_another_kind
// expect: this state belongs to another kind of smc: its kernel carries weights and this one's does not, or
// the reverse, or its batch or condition is another
using plain = diamond::smc<archetypes::transition_kernel, archetypes::value_estimator>;
using weighted = diamond::smc<archetypes::weighted_transition_kernel, archetypes::value_estimator>;
void step(plain& sampler, weighted::state& state) { sampler.step(state); }
#endif

#if CASE == 8 // rejuvenation_of_weighted
// expect: crank_nicolson moves no particles of a weighted transition kernel, whose densities would have to
// move with them: give smc kernel.kernel(), uncorrected, or no_rejuvenation
static_assert(sizeof(diamond::smc<archetypes::weighted_transition_kernel, archetypes::value_estimator,
                                  diamond::systematic, diamond::crank_nicolson>) > 0);
#endif

#if CASE == 9 // rejuvenation_kernel
// expect: crank_nicolson moves the last noise of a transition: it needs a steerable kernel, as
// early_stop_kernel and ddpm_posterior_kernel are, or a guided kernel with draw_with_noise, as
// value_guided_kernel has
static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator,
                                  diamond::systematic, diamond::crank_nicolson>) > 0);
#endif

#if CASE == 10 // rejuvenation_policy
// expect: the last argument of smc says how particles are rejuvenated: no_rejuvenation, crank_nicolson
// or renoise_moves
static_assert(sizeof(diamond::smc<archetypes::steerable_kernel, archetypes::value_estimator,
                                  diamond::systematic, diamond::multinomial>) > 0);
#endif

#if CASE == 11 // groups_of_one_generator
// expect: groups draw their numbers by a generator each: write std::vector<diamond::philox>, of which
// rng.split(g) makes independent ones
using groups = diamond::grouped_smc<archetypes::transition_kernel, archetypes::value_estimator>;
void run(groups& sampler, const archetypes::context& context) { sampler(context, diamond::philox{42}); }
#endif

#if CASE == 12 // tree_search_selection
// expect: a selection of tree_search needs tree_choice operator()(std::span<const tree_child>, index_t
// visits, double uniform) const, the chosen child and its probability, as boltzmann_selection has
static_assert(sizeof(diamond::tree_search<archetypes::transition_kernel, archetypes::value_estimator,
                                          diamond::multinomial>) > 0);
#endif

#if CASE == 13 // renoising_kernel
// expect: renoise_moves noises particles and draws them again: it needs a kernel that runs the noising
// backwards and says reverses_noising, as early_stop_kernel, ddpm_posterior_kernel and glass_kernel do with
// DDPM's correlation
static_assert(sizeof(diamond::smc<archetypes::steerable_kernel, archetypes::value_estimator,
                                  diamond::systematic, diamond::renoise_moves>) > 0);
#endif

#if CASE == 14 // renoising_of_weighted
// expect: renoise_moves moves no particles of a weighted transition kernel, whose densities would have to
// move with them: give smc kernel.kernel(), uncorrected, or no_rejuvenation
static_assert(sizeof(diamond::smc<archetypes::weighted_transition_kernel, archetypes::value_estimator,
                                  diamond::systematic, diamond::renoise_moves>) > 0);
#endif
