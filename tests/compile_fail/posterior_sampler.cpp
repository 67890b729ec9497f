// What is refused of a posterior sampler, and in which words: see CMakeLists.txt.
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/map/resampled_posterior.hpp>
#include <diamond/value/posterior_value.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // correlation_call
// expect: a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]
struct broken {
    double operator()(double, double) const; // bare times
};

static_assert(
    sizeof(diamond::glass_kernel<archetypes::schedule, archetypes::velocity_field, diamond::euler, broken>) >
    0);
#endif

#if CASE == 2 // ddpm_posterior_kernel_correlation
// expect: a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]
static_assert(sizeof(diamond::ddpm_posterior_kernel<archetypes::posterior_sampler, double>) > 0);
#endif

#if CASE == 3 // ddpm_posterior_kernel_weights
// expect: these posterior draws carry weights that would be lost here: give it resampled_posterior{sampler},
// which draws by them, or sampler.sampler()
static_assert(sizeof(diamond::ddpm_posterior_kernel<archetypes::weighted_posterior_sampler>) > 0);
#endif

#if CASE == 4 // differentiable_posterior_sampler_vjp
// expect: a differentiable posterior sampler needs vjp(x_t, t, condition, stream, cotangent, out)
struct broken : archetypes::differentiable_posterior_sampler {
    void vjp() = delete;
};

static_assert(sizeof(diamond::pathwise_posterior_value<broken, archetypes::differentiable_reward>) > 0);
#endif

#if CASE == 5 // posterior_sampler_batch_type
// expect: a posterior sampler needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream,
                    archetypes::view);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 6 // posterior_sampler_call
// expect: a posterior sampler needs operator()(const_view x_t, double t, const condition&, noise_stream, view
// out), out d x (N *
struct broken : archetypes::posterior_sampler {
    // whence its randomness?
    void operator()(archetypes::const_view, double, diamond::no_condition, archetypes::view);
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 7 // posterior_sampler_copyable
// expect: a posterior sampler must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::posterior_sampler>;

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 8 // posterior_sampler_dimension
// expect: a posterior sampler needs dimension() const, the number of rows d of its batches
struct broken : archetypes::posterior_sampler {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 9 // posterior_sampler_exact
// expect: a posterior sampler needs bool exact() const: whether its draws follow the model's posterior
// exactly
struct broken : archetypes::posterior_sampler {
    void exact() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 10 // posterior_sampler_schedule
// expect: a posterior sampler needs schedule() const, its noise schedule
struct broken : archetypes::posterior_sampler {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 11 // posterior_sampler_spent
// expect: a posterior sampler needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::posterior_sampler {
    void spent() const = delete;
};

static_assert(sizeof(diamond::ddpm_posterior_kernel<broken>) > 0);
#endif

#if CASE == 12 // posterior_sampler_with_density_draws
// expect: a posterior sampler with density needs draw_with_density(x_t, t, condition, stream, out, row
// log_density); diamond_map_posterior has it where its map is a Diamond map with divergence
static_assert(sizeof(diamond::corrected_posterior<diamond::diamond_map_posterior<archetypes::diamond_map>,
                                                  archetypes::marginal_density>) > 0);
#endif

#if CASE == 13 // weighted_posterior_sampler_call
// expect: a weighted posterior sampler needs operator()(const_view x_t, double t, const condition&,
// noise_stream, view out, row log_weights), N * stream.samples of them
static_assert(sizeof(diamond::resampled_posterior<archetypes::posterior_sampler>) > 0); // without weights
#endif

#if CASE == 14 // weighted_posterior_sampler_exact
// expect: a weighted posterior sampler must be copyable and needs batch_type, dimension(), schedule(),
// spent() and bool exact(), as a posterior sampler does
struct broken : archetypes::weighted_posterior_sampler {
    void exact() const = delete;
};

static_assert(sizeof(diamond::posterior_value<broken, archetypes::batchwise_reward>) > 0);
#endif
