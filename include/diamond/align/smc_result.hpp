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
        : numeric_error("all weights are zero, so the estimate of Z is 0: the reward, or the density that corrects the kernel, forbids every particle; use more particles or a softer reward",
                        step, -1) {}
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
    // Of a weighted kernel: of its own weights at this step, w of N transitions.
    double correction_ess      = NAN; ///< (sum w)^2 / sum w^2
    double log_mean_correction = NAN; ///< log of the mean of w: 0 up to Monte Carlo error, where densities of one law corrected the kernel

    /// The same numbers, NaN being equal to itself.
    friend bool operator==(const smc_step& a, const smc_step& b) {
        const auto same = [](double x, double y) { return x == y || (x != x && y != y); };
        return a.time == b.time && a.resampled == b.resampled && a.floored == b.floored && same(a.ess, b.ess) && same(a.least_increment, b.least_increment) &&
               same(a.largest_increment, b.largest_increment) && same(a.largest_share, b.largest_share) && same(a.mean_value, b.mean_value) &&
               same(a.correction_ess, b.correction_ess) && same(a.log_mean_correction, b.log_mean_correction);
    }
};

/// A state on the host, to save and to resume from bit for bit. Everything else a run needs is its own arguments.
template <class Real>
struct smc_snapshot {
    index_t                                step = 0; ///< steps done
    std::vector<Real>                      particles;
    std::vector<double>                    values, log_weights;
    std::vector<double>                    log_densities; ///< log p_t, which a weighted kernel's particles carry; empty for others
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
    std::vector<double>                    rewards;     ///< r of each, where the run is complete
    std::vector<double>                    log_densities; ///< log p_1 of each: a weighted kernel's particles carry it; for others add_log_densities
    double                                 log_z                = NAN;
    double                                 log_z_standard_error = NAN; ///< NaN where one run does not tell: `warnings` then says why
    log_z_error                            log_z_method         = log_z_error::none; ///< how the standard error was found
    double                                 ess                  = NAN;               ///< of the final weights
    double                                 correction_ess       = NAN; ///< the least of the steps', of a weighted kernel's own weights
    std::vector<std::int32_t>              families;  ///< the x_0 each particle descends from
    std::vector<smc_step>                  steps;     ///< the trace
    std::vector<std::vector<std::int32_t>> ancestors; ///< of each resampling step, where recorded; empty where a step did not resample
    double                                 log_delta = -infinity; ///< what V was raised by
    std::vector<std::string>               warnings;  ///< why the run should not be trusted, if so
    bool                                   complete          = false;
    bool                                   exact_for_sampler = false; ///< the target is the chain's own end law, tilted
    bool                                   exact_for_density = false; ///< or it is the law that a weighted kernel corrects its draws to, tilted
    bool                                   exact_for_model   = false; ///< and whichever of the two laws it is is the model's: the kernel says exact()
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
    double least_correction_share = 0.1; ///< of N, the effective number under a weighted kernel's weights of one step: below it few draws carry the correction
    double largest_miss           = 0.1; ///< of log_mean_correction from 0, beyond 5 standard errors: the densities that correct the kernel are then not those of one law
};

namespace detail {
/// A weighted kernel's weights. Their mean is checked even where the density that corrects is the model's own: the draws' may be a learned head's.
template <class Number>
void warn_of_corrections(const std::vector<smc_step>& steps, index_t particles, const smc_trust& trust, const Number& number, std::vector<std::string>& warnings) {
    const auto count = static_cast<double>(particles);
    const auto least = std::min_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.correction_ess < b.correction_ess; });
    if (least->correction_ess < trust.least_correction_share * count)
        warnings.push_back("the correction of the kernel hangs on few draws: the effective sample size of its weights fell to " + number(least->correction_ess) + " of " +
                           std::to_string(particles) + " at t = " + number(least->time) + "; more steps, a better map or a better density help");
    const auto miss  = [&](const smc_step& step) { return std::fabs(step.log_mean_correction) - 5.0 * std::sqrt(std::max(1.0 / step.correction_ess - 1.0 / count, 0.0)); };
    const auto worst = std::max_element(steps.begin(), steps.end(), [&](const auto& a, const auto& b) { return miss(a) < miss(b); });
    if (miss(*worst) > trust.largest_miss)
        warnings.push_back("the weights that correct the kernel average exp(" + number(worst->log_mean_correction) + ") at t = " + number(worst->time) +
                           ", where densities of one law average 1: the density of its draws, or the one that corrects them, is off there");
}
/// @param weighted whether the kernel carries weights of its own.
inline void warn_of_distrust(const std::vector<smc_step>& steps, index_t particles, log_z_error method, double relative_variance, bool weighted, const smc_trust& trust,
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
    if (weighted) warn_of_corrections(steps, particles, trust, number, warnings);
    const std::string islands = ": run independent islands, each with its own rng.split(k), and give their log_z to combine_islands";
    if (relative_variance > trusted_relative_variance)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by one run's estimate, which is good only below " + number(trusted_relative_variance) + islands);
    if (relative_variance < 0.0)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by the formula of " + name_of(method) + ", so log Z has no standard error" + islands);
}
} // namespace detail

} // namespace diamond
