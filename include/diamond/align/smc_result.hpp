/// What sequential Monte Carlo returns and what it shows on the way.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
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
    double correction_ess      = NAN; ///< (sum w)^2 / sum w^2, over particles that were not dead before
    double log_mean_correction = NAN; ///< log of the mean of w: 0 up to Monte Carlo error, where densities of one law corrected the kernel

    /// The same numbers, NaN being equal to itself.
    friend bool operator==(const smc_step& a, const smc_step& b) {
        const auto same = [](double x, double y) { return x == y || (x != x && y != y); };
        return a.time == b.time && a.resampled == b.resampled && a.floored == b.floored && same(a.ess, b.ess) && same(a.least_increment, b.least_increment) &&
               same(a.largest_increment, b.largest_increment) && same(a.largest_share, b.largest_share) && same(a.mean_value, b.mean_value) &&
               same(a.correction_ess, b.correction_ess) && same(a.log_mean_correction, b.log_mean_correction);
    }
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
    bool                                   exact_for_density = false; ///< or it is the law that a weighted kernel corrects its draws to, tilted: it says exact_density()
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

} // namespace diamond
