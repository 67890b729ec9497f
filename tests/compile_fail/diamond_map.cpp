// What is refused of a diamond map, and in which words: see CMakeLists.txt.
#include <diamond/concepts/diamond_map.hpp>
#include <diamond/density/inner_divergence.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/solver.hpp>

#include <support/archetypes.hpp>

struct divergence_without_stream {
    using field_type = archetypes::differentiable_velocity_field;
    using batch_type = archetypes::batch;
    static constexpr bool random = false;
    diamond::cost spent() const;
    field_type field() const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, archetypes::row);
};

#if CASE == 1 // diamond_map_batch_type
// expect: a Diamond map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    archetypes::schedule inner_schedule() const;
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view,
                    diamond::no_condition, archetypes::view);
    diamond::cost spent() const;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 2 // diamond_map_call
// expect: a Diamond map needs operator()(const_view xbar, interval inner, const_view x_t, time_view t, const
// condition&, view out)
struct broken : archetypes::diamond_map {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition,
                    archetypes::view); // a flow map, without x_t and t
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 3 // diamond_map_copyable
// expect: a Diamond map must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::diamond_map>;

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 4 // diamond_map_dimension
// expect: a Diamond map needs dimension() const, the number of rows d of its batches
struct broken : archetypes::diamond_map {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 5 // diamond_map_schedules
// expect: a Diamond map needs schedule() and inner_schedule() const, its outer and inner noise schedules
struct broken : archetypes::diamond_map {
    void inner_schedule() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 6 // diamond_map_spent
// expect: a Diamond map needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::diamond_map {
    void spent() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
#endif

#if CASE == 7 // differentiable_diamond_map_vjp
// expect: a differentiable Diamond map needs vjp(xbar, inner, x_t, t, condition, cotangent, out_xbar,
// out_x_t)
struct broken : archetypes::differentiable_diamond_map {
    void vjp(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view,
             diamond::no_condition, archetypes::const_view, archetypes::view); // one cotangent only
};

static_assert(diamond::diagnose_differentiable_diamond_map<broken>());
#endif

#if CASE == 8 // glass_diamond_map_batch_type
// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {};

static_assert(sizeof(diamond::glass_diamond_map<archetypes::schedule, broken, diamond::euler>) > 0);
#endif

#if CASE == 9 // glass_diamond_map_divergence
// expect: a divergence needs operator()(const_view x, time_view t, const condition&, noise_stream, row
// out, row standard_error)
static_assert(
    sizeof(diamond::glass_diamond_map<archetypes::schedule, divergence_without_stream, diamond::euler>) > 0);
#endif

#if CASE == 10 // inner_divergence_divergence
// expect: a divergence needs operator()(const_view x, time_view t, const condition&, noise_stream, row
// out, row standard_error)
static_assert(sizeof(diamond::inner_divergence<archetypes::schedule, divergence_without_stream>) > 0);
#endif

#if CASE == 11 // diamond_map_with_divergence_call
// expect: a Diamond map with divergence needs operator()(const_view xbar, interval inner, const_view x_t,
// time_view t, const condition&, view out, row divergence) that writes X_{s,r} into out and the mean
// divergence of the inner flow into divergence
static_assert(diamond::diagnose_diamond_map_with_divergence<archetypes::diamond_map>());
#endif
