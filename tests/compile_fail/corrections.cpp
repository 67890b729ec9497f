// What is refused of a corrections, and in which words: see CMakeLists.txt.
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // corrected_kernel_batch_type
// expect: transitions and the density that corrects them must be of the same batch type
struct of_floats : archetypes::marginal_density {
    using batch_type = diamond::owning_batch<float, archetypes::context>;
    void operator()(diamond::const_view_t<batch_type>, double, diamond::no_condition,
                    diamond::row_t<batch_type>);
};

static_assert(sizeof(diamond::corrected_kernel<archetypes::transition_kernel_with_density, of_floats>) > 0);
#endif

#if CASE == 2 // corrected_kernel_condition
// expect: transitions and the density that corrects them must take the same condition
struct of_labels : archetypes::marginal_density {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, double, diamond::labels, archetypes::row);
};

static_assert(sizeof(diamond::corrected_kernel<archetypes::transition_kernel_with_density, of_labels>) > 0);
#endif

#if CASE == 3 // corrected_kernel_schedules
// expect: transitions and the density that corrects them must have the same noise schedule:
// rescheduled_density reads one by another's
struct other_schedule : archetypes::schedule {};
struct elsewhere : archetypes::marginal_density {
    other_schedule schedule() const;
};

static_assert(sizeof(diamond::corrected_kernel<
                     diamond::early_stop_kernel<archetypes::diamond_map_with_divergence>, elsewhere>) > 0);
#endif

#if CASE == 4 // corrected_posterior_batch_type
// expect: draws and the density that corrects them must be of the same batch type
struct of_floats : archetypes::marginal_density {
    using batch_type = diamond::owning_batch<float, archetypes::context>;
    void operator()(diamond::const_view_t<batch_type>, double, diamond::no_condition,
                    diamond::row_t<batch_type>);
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, of_floats>) >
              0);
#endif

#if CASE == 5 // corrected_posterior_condition
// expect: draws and the density that corrects them must take the same condition
struct of_labels : archetypes::marginal_density {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, double, diamond::labels, archetypes::row);
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, of_labels>) >
              0);
#endif
