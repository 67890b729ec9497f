// expect: transitions and the density that corrects them must be of the same batch type
#include <diamond/map/corrected_kernel.hpp>

#include <support/archetypes.hpp>

struct of_floats : archetypes::marginal_density {
    using batch_type = diamond::owning_batch<float, archetypes::context>;
    void operator()(diamond::const_view_t<batch_type>, double, diamond::no_condition, double*);
};

static_assert(sizeof(diamond::corrected_kernel<archetypes::transition_kernel_with_density, of_floats>) > 0);
