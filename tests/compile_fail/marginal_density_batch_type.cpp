// expect: a marginal density needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, double*);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
