// expect: density and velocity field must be of the same batch type
#include <diamond/value/scored_density.hpp>

#include <support/archetypes.hpp>

struct of_floats : archetypes::marginal_density {
    using batch_type = diamond::owning_batch<float, archetypes::context>;
    void operator()(diamond::const_view_t<batch_type>, double, diamond::no_condition, double*);
};

static_assert(sizeof(diamond::scored_density<of_floats, archetypes::velocity_field>) > 0);
