/// The result of sequential Monte Carlo, the trace of its steps, and the warnings that say when it should not
/// be trusted.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <diamond/align/log_z.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/cost.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// The error of a run whose weights are all zero, so that Z-hat = 0. An average of Z-hat over runs counts
/// such a run as a zero.
class dead_weights : public numeric_error {
public:
    /// The error that all weights of a step are zero.
    explicit dead_weights(long step)
        : numeric_error("all weights are zero, so the estimate of Z is 0: the reward, or the density that "
                        "corrects the kernel, forbids every particle; use more particles or a softer reward",
                        step, -1) {}
};

/// One step of a run, as the trace has it. Weights are those accumulated since the last resampling, before
/// any resampling of this step. Values and increments are in nats.
struct smc_step {
    double time = 0.0;              ///< t_k
    double ess = 0.0;               ///< the effective sample size (sum w)^2 / sum w^2, 1 ... N
    bool resampled = false;         ///< says whether the step resampled
    double least_increment = 0.0;   ///< the least change of log w, over particles whose weight is not zero
    double largest_increment = 0.0; ///< the largest one
    double largest_share = 0.0;     ///< the largest share that one particle has of the weight, 1/N ... 1
    double mean_value = 0.0;        ///< the weighted mean of V
    index_t floored = 0; ///< the number of values raised to the floor: SMC cannot tell these particles apart
    /// beta of (eq. smc-relaxation), in [0, 1]: 1 where the step's values count in full.
    double relaxation = 1.0;
    /// The effective sample size of a weighted kernel's own weights at this step, over particles that were
    /// not dead before it; NaN for a kernel without weights.
    double correction_ess = NAN;
    /// The logarithm of the mean of these weights: 0 up to Monte Carlo error where densities of one law
    /// corrected the kernel.
    double log_mean_correction = NAN;
    /// The share of the step's moves that were accepted, 0 ... 1; NaN where none were made. The numbers above
    /// are those before its moves.
    double acceptance = NAN;

    /// Compares all numbers; NaN is equal to itself.
    friend bool operator==(const smc_step& a, const smc_step& b) {
        const auto same = [](double x, double y) { return x == y || (x != x && y != y); };
        return a.time == b.time && a.resampled == b.resampled && a.floored == b.floored &&
               same(a.relaxation, b.relaxation) && same(a.ess, b.ess) &&
               same(a.least_increment, b.least_increment) && same(a.largest_increment, b.largest_increment) &&
               same(a.largest_share, b.largest_share) && same(a.mean_value, b.mean_value) &&
               same(a.correction_ess, b.correction_ess) &&
               same(a.log_mean_correction, b.log_mean_correction) && same(a.acceptance, b.acceptance);
    }
};

/// The view of a run that its observer gets after each step.
template <class Batch>
struct smc_view {
    index_t step, steps;            ///< the step just done, 1 ... K, and K
    double time;                    ///< the time t_k of the particles, in [0, 1]
    const_view_t<Batch> particles;  ///< x_{t_k}, d x N
    const_row_t<Batch> values;      ///< V_k of each particle in nats, N numbers
    const_row_t<Batch> log_weights; ///< the N log weights accumulated since the last resampling
    const smc_step& trace;          ///< the step's line of the trace
};

/// What a run's pilot saw: draws of the chain without weights, each with its reward, of which log delta is
/// made. Their weights exp r are plain importance sampling, for the end law of the chain that a weighted
/// kernel has not corrected.
struct smc_pilot {
    index_t draws = 0; ///< n; 0 where there was no pilot
    double ess = NAN;  ///< the effective sample size of the weights exp r, 1 ... n; 0 where all are zero
    double log_z = -infinity;     ///< the logarithm of their mean
    std::int64_t evaluations = 0; ///< the network evaluations of all draws, as cost counts them
};

/// What a run does with its evaluations, as its pilot has decided: SMC, or plain weights.
///
/// Plain weights are those of importance sampling, exp r on draws of the chain. No value is read on the way
/// and none is paid for: what they would have cost goes into more draws, and Z-hat is the mean of exp r over
/// all of them. See (eq. smc-plan).
struct smc_plan {
    index_t draws = 0; ///< the draws that are weighted plainly, at least N; 0 where the run is SMC
    /// The relative variance of Z-hat by the weights of these draws; NaN before the last step, and of SMC.
    double relative_variance = NAN;
    /// What was chosen, and why; "" where there was nothing to choose: without a pilot, and where a kernel
    /// carries weights or a guide, or particles are moved.
    std::string reason;

    /// Says whether the run weighs its draws plainly.
    [[nodiscard]] bool plain() const { return draws > 0; }
};

/// The result of a run.
template <class Batch>
struct smc_result {
    Batch particles;                 ///< d x N at t = 1, or where the run was stopped
    std::vector<double> log_weights; ///< the particles' log weights, up to a constant
    std::vector<double> rewards;     ///< r of each particle; empty where the run is incomplete
    /// log p_1 of each particle. A weighted kernel's particles carry it; else it is empty until
    /// add_log_densities writes it.
    std::vector<double> log_densities;
    double log_z = NAN;                ///< log Z-hat; NaN where the run is incomplete
    double log_z_standard_error = NAN; ///< NaN where one run does not tell: `warnings` then says why
    log_z_error log_z_method = log_z_error::none; ///< the formula of the standard error
    double ess = NAN;                             ///< the effective sample size of the final weights
    double correction_ess = NAN;        ///< the least correction_ess of the steps, for a weighted kernel
    std::vector<std::int32_t> families; ///< the x_0 that each particle descends from, 0 ... N - 1
    std::vector<smc_step> steps;        ///< the trace
    /// Each step's ancestors, where recorded; empty without resampling.
    std::vector<std::vector<std::int32_t>> ancestors;
    double log_delta = -infinity; ///< the log delta by which values were raised
    smc_pilot pilot;              ///< what the pilot saw, where there was one
    smc_plan plan;                ///< what the run did, as the pilot decided, and why
    /// Whether the run is complete and its own numbers show no reason against it. Where they show one,
    /// log Z has no standard error, and `warnings` say why. exact_for_... say what the run would reach with
    /// particles without end; this says whether it had enough.
    bool reliable = false;
    std::vector<std::string> warnings; ///< reasons why the run should not be trusted
    /// The one of `warnings` that concerns the standard error from one run alone, of which a spread of
    /// islands is free; empty where there is none.
    std::string one_run_warning;
    /// What would serve better for as many evaluations, where the run is SMC and the pilot's draws tell; else
    /// empty, as without a pilot, and where its effective sample size is below 10: no advice is no praise. It
    /// takes a draw of the model to cost the whole chain; where one posterior draw at t = 0 is one, plain
    /// weights (.steps = 1, .threshold = 0) are better by so much.
    std::string advice;
    bool complete = false; ///< says whether the run took its last step
    /// Says whether the target is the chain's own end law, tilted. By renoise_moves it is only where the
    /// kernel is exact.
    bool exact_for_sampler = false;
    /// Says whether the target is the law to which a weighted kernel corrects its draws, tilted: the kernel's
    /// exact_density().
    bool exact_for_density = false;
    /// Says whether that law, whichever of the two it is, is the model's: the kernel's exact().
    bool exact_for_model = false;
    cost spent;           ///< all evaluations, the pilot's among them
    double seconds = 0.0; ///< the time from start to finish

    /// The weights, which sum to 1.
    [[nodiscard]] std::vector<double> weights() const {
        double high = -infinity;
        for (const double w : log_weights) high = std::max(high, w);
        std::vector<double> result(log_weights.size());
        double total = 0.0;
        for (std::size_t j = 0; j < result.size(); ++j) total += result[j] = std::exp(log_weights[j] - high);
        for (double& w : result) w /= total;
        return result;
    }
};

/// The thresholds beyond which a result warns. None is negative.
struct smc_trust {
    double least_ess_share = 0.01; ///< the least ESS as a share of N: below it a step hangs on few particles
    double largest_share = 0.5;    ///< the largest share of the weight in one particle
    /// The largest share of the values at the floor: so many say nothing of how far below it they are.
    double largest_floored = 0.1;
    /// The largest difference, in nats, between the increments of a step that may resample and that leaves
    /// less than half of the effective sample size: low values are then lost though they carry the mean.
    /// Where most particles agree, those far below are as worthless as they say.
    double largest_range = 15.0;
    /// The least correction_ess as a share of N: below it few draws carry the correction of a weighted
    /// kernel.
    double least_correction_share = 0.1;
    /// The largest distance of log_mean_correction from 0 beyond 5 standard errors: the densities that
    /// correct the kernel are then not those of one law.
    double largest_miss = 0.1;
};

/// The effective sample size from which a pilot is enough to go by.
inline constexpr double trusted_pilot_ess = 10.0;

namespace detail {
/// Warns of a weighted kernel's weights. Their mean is looked at step by step and over the run, for small
/// misses add up, and whatever the kernel says of its densities.
inline void warn_of_corrections(const std::vector<smc_step>& steps, index_t particles, const smc_trust& trust,
                                std::vector<std::string>& warnings) {
    constexpr double errors = 5.0; // standard errors that chance is granted
    const auto count = static_cast<double>(particles);
    const auto by_ess = [](const auto& a, const auto& b) { return a.correction_ess < b.correction_ess; };
    const auto least = std::min_element(steps.begin(), steps.end(), by_ess);
    if (least->correction_ess < trust.least_correction_share * count)
        warnings.push_back("the correction of the kernel hangs on few draws: the effective sample size of "
                           "its weights fell to " +
                           rounded(least->correction_ess, 3) + " of " + digits_of(particles) + " at t = " +
                           rounded(least->time, 3) + "; more steps, a better map or a better density help");
    if (particles == 1) return; // one weight says nothing of their mean
    const auto variance = [&](const smc_step& step) {
        return std::max(1.0 / step.correction_ess - 1.0 / count, 0.0);
    };
    const auto miss = [&](const smc_step& step) {
        return std::fabs(step.log_mean_correction) - errors * std::sqrt(variance(step));
    };
    const auto by_miss = [&](const auto& a, const auto& b) { return miss(a) < miss(b); };
    const auto worst = std::max_element(steps.begin(), steps.end(), by_miss);
    double total = 0.0, total_variance = 0.0;
    for (const auto& step : steps) {
        total += step.log_mean_correction;
        total_variance += variance(step);
    }
    const std::string subject = "the weights that correct the kernel average exp(";
    const std::string reason = ", where densities of one law average 1: the density of its draws, or the one "
                               "that corrects them, is off";
    if (miss(*worst) > trust.largest_miss)
        warnings.push_back(subject + rounded(worst->log_mean_correction, 3) +
                           ") at t = " + rounded(worst->time, 3) + reason + " there");
    else if (std::fabs(total) - errors * std::sqrt(total_variance) > trust.largest_miss)
        warnings.push_back(subject + rounded(total, 3) + ") over the run" + reason);
}
/// Appends to `warnings` why a run should not be trusted. `relative_variance` is that of Z-hat, negative or
/// NaN where one run does not tell; `weighted` says whether the kernel carries weights of its own.
inline void warn_of_distrust(const std::vector<smc_step>& steps, index_t particles, log_z_error method,
                             double relative_variance, bool weighted, const smc_trust& trust,
                             std::vector<std::string>& warnings, std::string* one_run = nullptr) {
    if (steps.empty()) return;
    const auto number = [](double x) { return rounded(x, 3); };
    const auto count = static_cast<double>(particles);
    const auto left_by = [&](const smc_step& step) { // the share of the effective sample size
        const bool fresh = &step == &steps.front() || (&step)[-1].resampled;
        return step.ess / (fresh ? count : (&step)[-1].ess);
    };
    const auto range_of = [&](const smc_step& step) {
        return left_by(step) < 0.5 ? step.largest_increment - step.least_increment : 0.0;
    };
    const auto by_ess = [](const auto& a, const auto& b) { return a.ess < b.ess; };
    const auto by_share = [](const auto& a, const auto& b) { return a.largest_share < b.largest_share; };
    const auto by_range = [&](const auto& a, const auto& b) { return range_of(a) < range_of(b); };
    const auto by_floors = [](const auto& a, const auto& b) { return a.floored < b.floored; };

    const auto least = std::min_element(steps.begin(), steps.end(), by_ess);
    if (least->ess < trust.least_ess_share * count)
        warnings.push_back("the effective sample size fell to " + number(least->ess) + " of " +
                           digits_of(particles) + " at t = " + number(least->time));
    const auto share = std::max_element(steps.begin(), steps.end(), by_share);
    if (particles > 1 && share->largest_share > trust.largest_share)
        warnings.push_back("one particle held " + number(100.0 * share->largest_share) +
                           " % of the weight at t = " + number(share->time));
    // Not at the last step: its low rewards are exact, and nothing is resampled by them.
    const auto range = std::max_element(steps.begin(), steps.end() - 1, by_range);
    if (steps.size() > 1 && range_of(*range) > trust.largest_range)
        warnings.push_back("log weights changed by amounts that differ by " + number(range_of(*range)) +
                           " nats at t = " + number(range->time) +
                           ": particles of low value, which may carry the mean, can have been resampled "
                           "away; more value samples, more steps or log_delta near log Z help");
    const auto floored = std::max_element(steps.begin(), steps.end(), by_floors);
    if (static_cast<double>(floored->floored) > trust.largest_floored * count)
        warnings.push_back(digits_of(floored->floored) + " of " + digits_of(particles) +
                           " values were at the floor at t = " + number(floored->time) +
                           ", where SMC cannot tell them apart: more value samples, log_delta near log Z or "
                           "a value_floor near the values that matter help");
    if (weighted) warn_of_corrections(steps, particles, trust, warnings);

    const std::size_t before = warnings.size();
    const std::string islands = ": run independent islands, each with its own rng.split(k), and give their "
                                "results to combine_islands";
    const std::string variance = "the relative variance of Z is " + number(relative_variance);
    if (particles == 1)
        warnings.push_back("one particle says nothing of the error of log Z, which has no standard error: "
                           "take more of them; or" +
                           islands.substr(1));
    else if (std::isnan(relative_variance))
        warnings.push_back("the resampler names no formula for the error of log Z by one run" + islands);
    if (relative_variance > trusted_relative_variance)
        warnings.push_back(variance +
                           " by one run's estimate, as few x_0 have offspring: it is good only below " +
                           number(trusted_relative_variance) + islands);
    if (relative_variance < 0.0)
        warnings.push_back(variance + " by the formula of " + name_of(method) +
                           ", so log Z has no standard error" + islands);
    if (one_run && warnings.size() > before) *one_run = warnings.back();
}
/// Warns of a pilot that gives values little or nothing to go by, where values are read.
inline void warn_of_pilot(const smc_pilot& pilot, const smc_plan& plan, std::vector<std::string>& warnings) {
    if (!plan.plain() && pilot.draws > 0 && pilot.log_z == -infinity)
        warnings.push_back(
            "none of the pilot's " + digits_of(pilot.draws) +
            " draws is allowed by the reward, so that nothing raises values of -infinity: give a "
            "log_delta near log Z, a larger pilot_share or a softer reward");
}
/// What the pilot's weights say of plain importance sampling for the evaluations of the run: a line of advice
/// where its relative variance of Z would be less than the run's, and "" where it would not, or the pilot has
/// too few effective draws to tell, or the run is plain.
[[nodiscard]] inline std::string advice_of(const smc_pilot& pilot, const smc_plan& plan,
                                           double relative_variance, std::int64_t evaluations) {
    if (plan.plain() || pilot.draws == 0 || pilot.evaluations == 0 || !(pilot.ess >= trusted_pilot_ess))
        return "";
    const auto draws = static_cast<double>(pilot.draws);
    const double affordable = draws * static_cast<double>(evaluations) /
                              static_cast<double>(pilot.evaluations);
    const double plain = (draws / pilot.ess - 1.0) / affordable;
    if (!(plain < relative_variance)) return "";
    return "plain importance sampling, weights exp r on " + rounded(affordable, 2) +
           " draws of the chain for as many evaluations, would have a relative variance of Z of about " +
           rounded(plain, 2) + ", this run has " + rounded(relative_variance, 2);
}
} // namespace detail

/// Combines independent runs into one log Z by the spread of theirs, see combine_islands of numbers; and
/// passes on what the runs warn of, but for the error from one run, which the spread replaces. Where at least
/// half of the runs warn, the standard error is NaN: more islands do not help then, better runs do. A run
/// that has thrown dead_weights is a zero in the mean, and leaving it out makes Z too large: give an
/// smc_result whose log_z is -infinity for it. @throws std::invalid_argument for fewer than two runs, and for
/// one that was stopped.
template <class Batch>
[[nodiscard]] combined_log_z combine_islands(std::span<const smc_result<Batch>> runs) {
    std::vector<double> log_z;
    for (const auto& run : runs) log_z.push_back(run.log_z);
    combined_log_z all = combine_islands(std::span<const double>(log_z));
    std::size_t warned = 0;
    std::string first;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        bool warns = false;
        for (const auto& warning : runs[i].warnings) {
            if (warning == runs[i].one_run_warning) continue;
            if (first.empty()) first = "run " + digits_of(i) + ": " + warning;
            warns = true;
        }
        warned += warns ? 1 : 0;
    }
    if (warned == 0) return all;
    const bool many = 2 * warned >= runs.size();
    all.warnings.push_back(digits_of(warned) + " of " + digits_of(runs.size()) + " runs warn" +
                           (many ? ", so that log Z has no standard error; " : "; ") + first);
    if (many) all.standard_error = NAN;
    return all;
}
/// Combines the runs of a vector, as of a span.
template <class Batch>
[[nodiscard]] combined_log_z combine_islands(const std::vector<smc_result<Batch>>& runs) {
    return combine_islands(std::span<const smc_result<Batch>>(runs));
}

} // namespace diamond
