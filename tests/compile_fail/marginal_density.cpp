// What is refused of a marginal density, and in which words: see CMakeLists.txt.
#include <diamond/density/flow_density.hpp>
#include <diamond/density/scored_density.hpp>
#include <diamond/map/corrected_posterior.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // flow_density_flow_map
// expect: a flow map with divergence needs schedule() const, the noise schedule of its times
static_assert(sizeof(diamond::flow_density<archetypes::flow_map>) > 0);
#endif

#if CASE == 2 // marginal_density_batch_type
// expect: a marginal density needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, archetypes::row);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 3 // marginal_density_call
// expect: a marginal density needs operator()(const_view x, double t, const condition&, row out) that
// writes log p_t(x) into out
struct broken : archetypes::marginal_density {
    double operator()(archetypes::const_view, double, diamond::no_condition); // of which particle?
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 4 // marginal_density_copyable
// expect: a marginal density must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::marginal_density>;

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 5 // marginal_density_dimension
// expect: a marginal density needs dimension() const, the number of rows d of its batches
struct broken : archetypes::marginal_density {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 6 // marginal_density_exact
// expect: a marginal density needs bool exact() const: whether its densities are the model's own
struct broken : archetypes::marginal_density {
    double exact() const; // a bool is a claim, a number is not
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 7 // marginal_density_schedule
// expect: a marginal density needs schedule() const, the noise schedule of its times
struct broken : archetypes::marginal_density {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 8 // marginal_density_spent
// expect: a marginal density needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::marginal_density {
    void spent() const = delete;
};

static_assert(sizeof(diamond::corrected_posterior<archetypes::posterior_sampler_with_density, broken>) > 0);
#endif

#if CASE == 9 // scored_density_batch_type
// expect: density and velocity field must be of the same batch type
struct of_floats : archetypes::marginal_density {
    using batch_type = diamond::owning_batch<float, archetypes::context>;
    void operator()(diamond::const_view_t<batch_type>, double, diamond::no_condition,
                    diamond::row_t<batch_type>);
};

static_assert(sizeof(diamond::scored_density<of_floats, archetypes::velocity_field>) > 0);
#endif

#if CASE == 10 // scored_density_condition
// expect: density and velocity field must be of the same batch type, and take the same condition
struct of_labels : archetypes::marginal_density {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, double, diamond::labels, archetypes::row);
};

static_assert(sizeof(diamond::scored_density<of_labels, archetypes::velocity_field>) > 0);
#endif
