// What is refused of a flow map, and in which words: see CMakeLists.txt.
#include <diamond/align/objective.hpp>
#include <diamond/align/self_guidance.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/stepped_flow_map.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // differentiable_flow_map_vjp
// expect: a differentiable flow map needs vjp(const_view x, interval, const condition&, const_view cotangent,
// view out)
struct broken : archetypes::differentiable_flow_map {
    void vjp() = delete;
};

static_assert(diamond::diagnose_differentiable_flow_map<broken>());
#endif

#if CASE == 2 // flow_map_batch_type
// expect: a flow map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view);
    diamond::cost spent() const;
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
#endif

#if CASE == 3 // flow_map_call
// expect: a flow map needs operator()(const_view x, interval, const condition&, view out) that writes
// X_{from,to}(x) into out
struct broken : archetypes::flow_map {
    void operator()(archetypes::const_view, double, double, archetypes::view); // bare floats, no condition
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
#endif

#if CASE == 4 // flow_map_copyable
// expect: a flow map must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::flow_map>;

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
#endif

#if CASE == 5 // flow_map_dimension
// expect: a flow map needs dimension() const, the number of rows d of its batches
struct broken : archetypes::flow_map {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
#endif

#if CASE == 6 // flow_map_spent
// expect: a flow map needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::flow_map {
    void spent() const = delete;
};

static_assert(sizeof(diamond::ode_kernel<broken>) > 0);
#endif

#if CASE == 7 // flow_map_with_divergence_call
// expect: a flow map with divergence needs operator()(const_view x, interval, const condition&, view out,
// row divergence) that writes X_{from,to}(x) into out and the mean divergence into divergence
struct broken : archetypes::flow_map_with_divergence {
    using flow_map::operator();
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view,
                    float*) = delete; // densities are double
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
#endif

#if CASE == 8 // ode_flow_map_divergence
// expect: a divergence needs operator()(const_view x, time_view t, const condition&, noise_stream, row
// out, row standard_error)
struct broken { // it cannot be called
    using field_type = archetypes::differentiable_velocity_field;
    using batch_type = archetypes::batch;
    static constexpr bool random = false;
    const field_type& field() const;
};

static_assert(sizeof(diamond::ode_flow_map<broken, diamond::euler>) > 0);
#endif

#if CASE == 9 // flow_map_with_divergence_flow_map
// expect: a flow map needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::flow_map_with_divergence {
    void spent() const = delete;
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
#endif

#if CASE == 10 // self_guidance_objective
// expect: an objective needs batch_type, dimension(), operator()(const_view x_0, condition, row out),
// gradient(const_view x_0, condition, view out) and spent()
struct broken { // without a gradient
    using batch_type = archetypes::batch;
    int dimension() const;
    diamond::cost spent() const;
    void operator()(archetypes::const_view, diamond::no_condition, archetypes::row);
};

static_assert(sizeof(diamond::self_guidance<broken>) > 0);
#endif

#if CASE == 11 // flow_map_with_divergence_schedule
// expect: a flow map with divergence needs schedule() const, the noise schedule of its times
struct broken : archetypes::flow_map_with_divergence {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
#endif

#if CASE == 12 // flow_map_with_divergence_vjp
// expect: a differentiable flow map with divergence needs vjp(const_view x, interval, const condition&,
// const_view cotangent, const_row divergence_cotangent, view out), either cotangent null for zero
struct broken : archetypes::differentiable_flow_map_with_divergence {
    void vjp() = delete;
};

static_assert(sizeof(diamond::negative_log_likelihood<broken>) > 0);
#endif

#if CASE == 13 // network_flow_map_batch_type
// expect: a Diamond network needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
};

static_assert(sizeof(diamond::network_flow_map<broken>) > 0);
#endif

#if CASE == 14 // stepped_flow_map_flow_map
// expect: a flow map needs operator()
struct broken : archetypes::flow_map {
    void operator()() = delete;
};

static_assert(sizeof(diamond::stepped_flow_map<broken>) > 0);
#endif
