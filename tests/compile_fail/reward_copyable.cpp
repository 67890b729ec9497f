// expect: a reward must be copyable, for estimators and samplers keep copies: let it share what is not through std::shared_ptr, or pass std::ref(reward)
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

using broken = archetypes::uncopyable<archetypes::pointwise_reward>;

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
