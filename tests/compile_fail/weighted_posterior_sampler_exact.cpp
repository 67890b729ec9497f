// expect: a weighted posterior sampler must be copyable and needs batch_type, dimension(), schedule(), spent() and bool exact(), as a posterior sampler does
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::weighted_posterior_sampler {
    void exact() const = delete;
};

static_assert(sizeof(diamond::posterior_value<broken, archetypes::batchwise_reward>) > 0);
