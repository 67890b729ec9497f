// What is refused of a resampler, and in which words: see CMakeLists.txt.
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // resampler_call
// expect: a resampler needs operator()(context, const std::uint64_t* cumulative, n, noise_stream,
// resampling_scratch&, std::int32_t*
struct broken : archetypes::resampler {
    void operator()(const archetypes::context&, const double*, diamond::index_t,
                    std::int32_t*) const; // weights in floating point
};

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
#endif

#if CASE == 2 // resampler_copyable
// expect: a resampler must be copyable
using broken = archetypes::uncopyable<archetypes::resampler>;

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
#endif

#if CASE == 3 // resampler_method
// expect: a resampler needs log_z_error method() const: how the error of log Z is estimated with it
struct broken : archetypes::resampler {
    void method() const = delete;
};

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
#endif
