// expect: a posterior sampler needs spent() const, the diamond::cost of its calls so far
#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void spent() const = delete;
};

static_assert(diamond::diagnose_posterior_sampler<broken>());
