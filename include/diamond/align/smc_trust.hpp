/// When a run of sequential Monte Carlo should not be trusted, and how that is said.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <diamond/align/smc_result.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

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
/// Of a weighted kernel's weights. Their mean is looked at whatever is said of the densities, step by step and over the run, for small misses add up.
template <class Number>
void warn_of_corrections(const std::vector<smc_step>& steps, index_t particles, const smc_trust& trust, const Number& number, std::vector<std::string>& warnings) {
    constexpr double errors = 5.0; // standard errors that chance is granted
    const auto count = static_cast<double>(particles);
    const auto least = std::min_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.correction_ess < b.correction_ess; });
    if (least->correction_ess < trust.least_correction_share * count)
        warnings.push_back("the correction of the kernel hangs on few draws: the effective sample size of its weights fell to " + number(least->correction_ess) + " of " +
                           digits_of(particles) + " at t = " + number(least->time) + "; more steps, a better map or a better density help");
    if (particles == 1) return; // one weight says nothing of their mean
    const auto variance = [&](const smc_step& step) { return std::max(1.0 / step.correction_ess - 1.0 / count, 0.0); };
    const auto miss     = [&](const smc_step& step) { return std::fabs(step.log_mean_correction) - errors * std::sqrt(variance(step)); };
    const auto worst    = std::max_element(steps.begin(), steps.end(), [&](const auto& a, const auto& b) { return miss(a) < miss(b); });
    double     total = 0.0, total_variance = 0.0;
    for (const auto& step : steps) {
        total += step.log_mean_correction;
        total_variance += variance(step);
    }
    const std::string reason = ", where densities of one law average 1: the density of its draws, or the one that corrects them, is off";
    if (miss(*worst) > trust.largest_miss)
        warnings.push_back("the weights that correct the kernel average exp(" + number(worst->log_mean_correction) + ") at t = " + number(worst->time) + reason + " there");
    else if (std::fabs(total) - errors * std::sqrt(total_variance) > trust.largest_miss)
        warnings.push_back("the weights that correct the kernel average exp(" + number(total) + ") over the run" + reason);
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
        warnings.push_back("the effective sample size fell to " + number(least->ess) + " of " + digits_of(particles) + " at t = " + number(least->time));
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
        warnings.push_back(digits_of(floored->floored) + " of " + digits_of(particles) + " values were at the floor at t = " + number(floored->time) +
                           ", where SMC cannot tell them apart: more value samples, log_delta near log Z or a value_floor near the values that matter help");
    if (weighted) warn_of_corrections(steps, particles, trust, number, warnings);
    const std::string islands = ": run independent islands, each with its own rng.split(k), and give their log_z to combine_islands";
    if (particles == 1) warnings.push_back("one particle says nothing of the error of log Z, which has no standard error: take more of them; or" + islands.substr(1));
    if (relative_variance > trusted_relative_variance)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by one run's estimate, which is good only below " + number(trusted_relative_variance) + islands);
    if (relative_variance < 0.0)
        warnings.push_back("the relative variance of Z is " + number(relative_variance) + " by the formula of " + name_of(method) + ", so log Z has no standard error" + islands);
}
} // namespace detail

} // namespace diamond
