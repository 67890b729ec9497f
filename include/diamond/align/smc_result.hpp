/// What sequential Monte Carlo returns and what it shows on the way.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <diamond/align/log_z.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

/// All weights died: Z-hat = 0. An error to the user, a zero in averages over runs.
class dead_weights : public numeric_error {
public:
    explicit dead_weights(long step)
        : numeric_error("all weights are zero, so the estimate of Z is 0: the reward forbids every particle; use more particles or a softer reward", step, -1) {}
};

/// One step of a run.
struct smc_step {
    double time          = 0.0;
    double ess           = 0.0; ///< effective sample size of the accumulated weights, before any resampling
    bool   resampled     = false;
    double least_increment = 0.0, largest_increment = 0.0; ///< of log w, over particles whose weight is not zero
    double largest_share = 0.0; ///< of the weight, in one particle, before any resampling
    double mean_value    = 0.0; ///< weighted mean of V
    index_t floored      = 0;   ///< values that were raised to the floor: SMC cannot tell these particles apart

    friend bool operator==(const smc_step&, const smc_step&) = default;
};

/// A state on the host, to save and to resume from bit for bit. Everything else a run needs is its own arguments.
template <class Real>
struct smc_snapshot {
    index_t                                step = 0; ///< steps done
    std::vector<Real>                      particles;
    std::vector<double>                    values, log_weights;
    std::vector<std::int32_t>              families; ///< the x_0 each particle descends from, whose condition it keeps
    double                                 log_z = 0.0, log_delta = 0.0;
    index_t                                resamplings = 0;
    std::vector<smc_step>                  steps;
    std::vector<std::vector<std::int32_t>> ancestors;
    cost                                   spent;
};

/// What an observer sees after a step.
template <class Batch>
struct smc_view {
    index_t             step, steps;
    double              time;
    const_view_t<Batch> particles;
    const double*       values;      ///< V of each particle, in the memory of the batch
    const double*       log_weights; ///< accumulated since the last resampling
    const smc_step&     trace;
};

template <class Batch>
struct smc_result {
    Batch                                  particles;   ///< d x N at t = 1
    std::vector<double>                    log_weights; ///< of the particles, up to a constant
    double                                 log_z                = NAN;
    double                                 log_z_standard_error = NAN; ///< NaN where one run does not tell: `warnings` then says why
    log_z_error                            log_z_method         = log_z_error::none; ///< how the standard error was found
    double                                 ess                  = NAN;               ///< of the final weights
    std::vector<std::int32_t>              families;  ///< the x_0 each particle descends from
    std::vector<smc_step>                  steps;     ///< the trace
    std::vector<std::vector<std::int32_t>> ancestors; ///< of each resampling step, where recorded; empty where a step did not resample
    double                                 log_delta = -infinity; ///< what V was raised by
    std::vector<std::string>               warnings;  ///< why the run should not be trusted, if so
    bool                                   complete          = false;
    bool                                   exact_for_sampler = false; ///< the target is the chain's own end law, tilted
    bool                                   exact_for_model   = false; ///< and that law is the model's: the kernel is exact
    cost                                   spent;
    double                                 seconds = 0.0;

    /// The weights, summing to 1.
    [[nodiscard]] std::vector<double> weights() const {
        double high = -infinity;
        for (const double w : log_weights) high = std::max(high, w);
        std::vector<double> result(log_weights.size());
        double              total = 0.0;
        for (std::size_t j = 0; j < result.size(); ++j) total += result[j] = std::exp(log_weights[j] - high);
        for (double& w : result) w /= total;
        return result;
    }
};

/// When a run cannot be trusted. Each threshold says what it guards against.
struct smc_trust {
    double least_ess_share   = 0.01; ///< of N: below it a step hangs on few particles
    double largest_share     = 0.5;  ///< in one particle
    double largest_floored   = 0.1;  ///< of N: so many values at the floor say nothing of how far below it they are
    double largest_range     = 15.0; ///< nats between the increments of a step that may resample: low values are then lost though they carry the mean
};

namespace detail {
inline void warn_of_distrust(const std::vector<smc_step>& steps, index_t particles, log_z_error method, double relative_variance, const smc_trust& trust,
                             std::vector<std::string>& warnings) {
    const auto number = [](double x) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3g", x);
        return std::string(text);
    };
    if (steps.empty()) return;
    const auto least = std::min_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.ess < b.ess; });
    if (least->ess < trust.least_ess_share * static_cast<double>(particles))
        warnings.push_back("the effective sample size fell to " + number(least->ess) + " of " + std::to_string(particles) + " at t = " + number(least->time));
    const auto share = std::max_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.largest_share < b.largest_share; });
    if (particles > 1 && share->largest_share > trust.largest_share)
        warnings.push_back("one particle held " + number(100.0 * share->largest_share) + " % of the weight at t = " + number(share->time));
    // Not at the last step: its low rewards are exact, and nothing is resampled by them.
    const auto range = std::max_element(steps.begin(), steps.end() - 1, [](const auto& a, const auto& b) {
        return a.largest_increment - a.least_increment < b.largest_increment - b.least_increment;
    });
    if (steps.size() > 1 && range->largest_increment - range->least_increment > trust.largest_range)
        warnings.push_back("log weights changed by amounts that differ by " + number(range->largest_increment - range->least_increment) + " nats at t = " + number(range->time) +
                           ": particles of low value, which may carry the mean, can have been resampled away; more value samples, more steps or log_delta near log Z help");
    const auto floored = std::max_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.floored < b.floored; });
    if (static_cast<double>(floored->floored) > trust.largest_floored * static_cast<double>(particles))
        warnings.push_back(std::to_string(floored->floored) + " of " + std::to_string(particles) + " values were at the floor at t = " + number(floored->time) +
                           ", where SMC cannot tell them apart: more value samples, log_delta near log Z or a value_floor near the values that matter help");
    const std::string islands = ": run independent islands, each with its own rng.split(k), and give their log_z to combine_islands";
    if (relative_variance > trusted_relative_variance)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by one run's estimate, which is good only below " + number(trusted_relative_variance) + islands);
    if (relative_variance < 0.0)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by the formula of " + name_of(method) + ", so log Z has no standard error" + islands);
}
} // namespace detail

} // namespace diamond
