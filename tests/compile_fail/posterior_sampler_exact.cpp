// expect: a posterior sampler needs bool exact() const: whether its draws follow the model's posterior exactly
#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void exact() const = delete;
};

static_assert(diamond::diagnose_posterior_sampler<broken>());
