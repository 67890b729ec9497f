// expect: density and velocity field must be of the same batch type, and take the same condition
#include <diamond/value/scored_density.hpp>

#include <support/archetypes.hpp>

struct of_labels : archetypes::marginal_density {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, double, diamond::labels, double*);
};

static_assert(sizeof(diamond::scored_density<of_labels, archetypes::velocity_field>) > 0);
