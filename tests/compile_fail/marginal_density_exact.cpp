// expect: a marginal density needs bool exact() const: whether its densities are the model's own
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::marginal_density {
    double exact() const; // a bool is a claim, a number is not
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
