// expect: a resampler needs operator()(context, const std::uint64_t* cumulative, n, noise_stream, resampling_scratch&, std::int32_t*
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::resampler {
    void operator()(const archetypes::context&, const double*, diamond::index_t, std::int32_t*) const; // weights in floating point
};

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
