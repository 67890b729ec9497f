// expect: a driver works in memory of its own, so it is not called const: call one that is not, or a copy of it
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

template <class Sampler>
void step(const Sampler& sampler, typename Sampler::state& state) {
    sampler.step(state);
}
template void step(const diamond::smc<archetypes::transition_kernel, archetypes::value_estimator>&, diamond::smc<archetypes::transition_kernel, archetypes::value_estimator>::state&);
