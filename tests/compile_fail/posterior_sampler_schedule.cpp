// expect: a posterior sampler needs schedule() const, its noise schedule
#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    void schedule() const = delete;
};

static_assert(diamond::diagnose_posterior_sampler<broken>());
