/// This header runs methods on a problem whose posterior is wanted, by any model.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include <diamond/calibration/posterior_summary.hpp>
#include <diamond/diamond.hpp>

namespace studies {

using diamond::index_t;

/// What a method says of a problem. NaN stands for what it has not.
struct posterior_outcome {
    diamond::weighted_samples samples;
    double log_z = NAN, log_z_se = NAN, ess = NAN, evaluations = NAN, seconds = NAN;
    bool warned = false;
    bool exact = false; ///< whether the run names itself exact for the model
};

/// The size of a run.
struct run_size {
    index_t particles, steps;
};

/// Times whose noise falls by equal factors, to half of the finest scale that data or a measurement have.
inline std::vector<double> times_of(const run_size& size, double finest) {
    return diamond::noise_ratio_time_grid(diamond::linear_schedule{}, size.steps,
                                          {.first = 5.0, .last = 0.5 * finest});
}
template <class Result>
posterior_outcome outcome_of(const Result& result, std::vector<double> weights) {
    return {.samples = diamond::samples_on_host(result.particles, std::move(weights)),
            .evaluations = static_cast<double>(result.spent.evaluations()),
            .seconds = result.seconds,
            .warned = !result.warnings.empty()};
}
/// Takes what SMC says beside its samples.
template <class Result>
posterior_outcome outcome_of_smc(const Result& result) {
    posterior_outcome found = outcome_of(result, result.weights());
    found.log_z = result.log_z;
    found.log_z_se = result.log_z_standard_error;
    found.ess = result.ess;
    found.exact = result.exact_for_model;
    return found;
}
/// SMC by a kernel and a value.
template <class Context, class Kernel, class Value, class Condition>
posterior_outcome by_smc(const Context& on, diamond::philox rng, const run_size& size, double finest,
                         Kernel kernel, Value value, const Condition& condition) {
    diamond::smc sampler{
        std::move(kernel),
        std::move(value),
        {.particles = size.particles, .times = times_of(size, finest), .pilot_particles = 0}};
    return outcome_of_smc(sampler(on, rng, condition));
}
/// Guidance, whose draws have equal weight and which names nothing exact.
template <class Context, class Field, class Value, class Condition>
posterior_outcome by_guidance(const Context& on, diamond::philox rng, const run_size& size, double finest,
                              Field field, Value value, const Condition& condition) {
    diamond::guidance sampler{
        std::move(field), std::move(value), {.particles = size.particles, .times = times_of(size, finest)}};
    return outcome_of(sampler(on, rng, condition), {});
}
/// Chains of renoising, of which a quarter of the moves adapts.
template <class Context, class Draws, class Reward, class Condition>
posterior_outcome by_chain(const Context& on, diamond::philox rng, const run_size& size, Draws draws,
                           const Reward& reward, const Condition& condition) {
    diamond::renoise_chain chain{
        std::move(draws),
        reward,
        {.particles = size.particles, .adaptation = size.steps, .steps = 3 * size.steps}};
    const auto result = chain(on, rng, condition);
    posterior_outcome found = outcome_of(result, {});
    found.exact = result.exact_for_model;
    return found;
}

} // namespace studies
