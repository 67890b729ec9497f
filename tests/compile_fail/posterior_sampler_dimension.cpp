// expect: a posterior sampler needs dimension() const, the number of rows d of its batches
#include <support/archetypes.hpp>

struct broken : archetypes::posterior_sampler {
    int dimension() const = delete;
};

static_assert(diamond::diagnose_posterior_sampler<broken>());
