// What is refused of a value estimator, and in which words: see CMakeLists.txt.
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/annealed_value.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // pathwise_posterior_value_weights
// expect: pathwise guidance does not differentiate the weights of draws: use posterior_value, whose guidance
// needs no derivative, or sampler.sampler()
struct differentiable : archetypes::weighted_posterior_sampler {
    void vjp(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream,
             archetypes::const_view, archetypes::view);
};

static_assert(sizeof(diamond::pathwise_posterior_value<differentiable, archetypes::differentiable_reward>) >
              0);
#endif

#if CASE == 2 // value_estimator_batch_type
// expect: a value estimator needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream,
                    diamond::value_rows<archetypes::context>);
    archetypes::batchwise_reward& reward();
    diamond::cost spent() const;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 3 // value_estimator_call
// expect: a value estimator needs operator()(const_view x, double t, const condition&, noise_stream,
// value_rows<context>)
struct broken : archetypes::value_estimator {
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream,
                    archetypes::row); // not value_rows
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 4 // value_estimator_copyable
// expect: a value estimator must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::value_estimator>;

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 5 // value_estimator_dimension
// expect: a value estimator needs dimension() const, the number of rows d of its batches
struct broken : archetypes::value_estimator {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 6 // value_estimator_reward
// expect: a value estimator needs reward(), the reward whose value it estimates
struct broken : archetypes::value_estimator {
    void reward() = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 7 // value_estimator_spent
// expect: a value estimator needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::value_estimator {
    void spent() const = delete;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
#endif

#if CASE == 8 // value_estimator_with_gradient_guidance
// expect: guidance needs a value estimator with guidance(const_view x, double t, const condition&,
// noise_stream, view out), b(t) grad V
struct broken : archetypes::value_estimator_with_gradient {
    void guidance() = delete;
};

static_assert(sizeof(diamond::guidance<archetypes::velocity_field, broken>) > 0);
#endif

#if CASE == 9 // weighted_value_density
// expect: a weighted value needs a marginal_density for its map's batches (exact_density, flow_density), or
// what knows it up to a number a particle
struct broken {
    archetypes::schedule schedule() const;
    int dimension() const;
    diamond::cost spent() const;
    double operator()(archetypes::const_view, double) const; // one point, no condition
};

static_assert(sizeof(diamond::weighted_value<broken, archetypes::flow_map, archetypes::batchwise_reward>) >
              0);
#endif

#if CASE == 10 // weighted_value_schedules
// expect: flow map and density must have the same noise schedule: rescheduled_density reads a density by
// another's
struct other_schedule : archetypes::schedule {};
struct elsewhere : archetypes::marginal_density {
    other_schedule schedule() const;
};

static_assert(sizeof(diamond::weighted_value<elsewhere, archetypes::flow_map_with_divergence,
                                             archetypes::batchwise_reward>) > 0);
#endif

#if CASE == 11 // look_ahead_value_schedules
// expect: a look-ahead value and its flow map must have the same noise schedule: make both with it
struct elsewhere : archetypes::flow_map {
    diamond::linear_schedule schedule() const;
};

static_assert(
    sizeof(diamond::look_ahead_value<archetypes::schedule, elsewhere, archetypes::batchwise_reward>) > 0);
#endif

#if CASE == 12 // annealed_value_exponent
// expect: an annealed value needs an exponent beta(t), a const function of a double that gives a double
struct nothing {};

static_assert(sizeof(diamond::annealed_value<archetypes::value_estimator, nothing>) > 0);
#endif

#if CASE == 13 // value_estimator_fresh
// expect: a value estimator's fresh() must be const: bool fresh() const
struct changing : archetypes::value_estimator {
    bool fresh();
};

bool refused(const changing& value) { return diamond::detail::is_fresh(value); }
#endif
