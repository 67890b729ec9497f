// What is refused of a transition kernel, and in which words: see CMakeLists.txt.
#include <diamond/align/chain.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_kernel.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // ancestral_kernel_batch_type
// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {};

static_assert(sizeof(diamond::ancestral_kernel<archetypes::schedule, broken>) > 0);
#endif

#if CASE == 2 // euler_maruyama_kernel_batch_type
// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {};

static_assert(sizeof(diamond::euler_maruyama_kernel<archetypes::schedule, broken>) > 0);
#endif

#if CASE == 3 // glass_kernel_batch_type
// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {};

static_assert(sizeof(diamond::glass_kernel<archetypes::schedule, broken, diamond::euler>) > 0);
#endif

#if CASE == 4 // transition_kernel_batch_type
// expect: a transition kernel needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream,
                    archetypes::view);
    diamond::cost spent() const;
    bool exact() const;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 5 // transition_kernel_call
// expect: a transition kernel needs operator()(const_view x, interval, const condition&, noise_stream, view
// out) that draws x_to into out
struct broken : archetypes::transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition,
                    archetypes::view); // whence its randomness?
};

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 6 // transition_kernel_copyable
// expect: a transition kernel must be copyable: keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::transition_kernel>;

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 7 // transition_kernel_dimension
// expect: a transition kernel needs dimension() const, the number of rows d of its batches
struct broken : archetypes::transition_kernel {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 8 // transition_kernel_exact
// expect: a transition kernel needs bool exact() const: whether it keeps the model's marginals exactly
struct broken : archetypes::transition_kernel {
    void exact() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 9 // transition_kernel_spent
// expect: a transition kernel needs spent() const, the diamond::cost of its calls so far
struct broken : archetypes::transition_kernel {
    void spent() const = delete;
};

static_assert(sizeof(diamond::chain<broken>) > 0);
#endif

#if CASE == 10 // transition_kernel_with_density_draws
// expect: a transition kernel with density needs draw_with_density(x, interval, condition, stream, out,
// row log_density); early_stop_kernel has it where its map is a Diamond map with divergence
static_assert(sizeof(diamond::corrected_kernel<diamond::early_stop_kernel<archetypes::diamond_map>,
                                               archetypes::marginal_density>) > 0);
#endif

#if CASE == 11 // weighted_transition_kernel_begin
// expect: a weighted transition kernel needs begin(const_view x_0, const condition&, row log_density)
// that writes log p_0(x_0)
struct broken : archetypes::weighted_transition_kernel {
    void begin() = delete;
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 12 // weighted_transition_kernel_call
// expect: a weighted transition kernel needs operator()(const_view x, interval, const condition&,
// noise_stream, view out, const_row log_density, row next_log_density, row log_weight)
struct broken : archetypes::weighted_transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream,
                    archetypes::view, archetypes::row); // log p_t is lost
};

static_assert(diamond::diagnose_weighted_transition_kernel<broken>());
#endif

#if CASE == 13 // weighted_transition_kernel_copyable
// expect: a weighted transition kernel must be copyable and needs batch_type, dimension(), spent() and bool
// exact(), as a transition kernel does
using broken = archetypes::uncopyable<archetypes::weighted_transition_kernel>;

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 14 // weighted_transition_kernel_kernel
// expect: a weighted transition kernel needs kernel() const, the transition kernel whose draws it weighs
struct broken : archetypes::weighted_transition_kernel {
    void kernel() const = delete; // by what would the pilot draw?
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 15 // guided_kernel_kernel
// expect: a guided kernel needs kernel() const, the transition kernel that its draws stand for
struct broken : archetypes::guided_kernel {
    void kernel() const = delete; // for whose draws do they stand?
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 16 // guided_kernel_copyable
// expect: a guided kernel must be copyable and needs batch_type, dimension(), spent() and bool exact(), as a
// transition kernel does
using broken = archetypes::uncopyable<archetypes::guided_kernel>;

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 17 // guided_kernel_begin
// expect: a kernel with begin(...) carries densities, and is a weighted transition kernel
struct broken : archetypes::weighted_transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream,
                    archetypes::view, archetypes::row); // log p_t is lost
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
#endif

#if CASE == 18 // guided_kernel_chain
// expect: this kernel's transitions carry weights that would be lost here
static_assert(sizeof(diamond::chain<archetypes::guided_kernel>) > 0);
#endif

#if CASE == 19 // steerable_kernel_noise
// expect: a steerable kernel needs schedule(), centre(x, interval, condition, stream, out)
static_assert(diamond::diagnose_steerable_kernel<archetypes::transition_kernel>());
#endif
