// expect: a marginal density needs operator()(const_view x, double t, const condition&, double* out) that writes log p_t(x) into out
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::marginal_density {
    double operator()(archetypes::const_view, double, diamond::no_condition); // of which particle?
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
