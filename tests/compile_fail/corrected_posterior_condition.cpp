// expect: draws and the density that corrects them must take the same condition
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct of_labels : archetypes::marginal_density {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, double, diamond::labels, double*);
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, of_labels>) > 0);
