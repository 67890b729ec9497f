/// The conditional effective sample size of one step's weights: how far the step is from its target, whatever
/// the steps before have left. See (eq. smc-conditional-ess).
#pragma once

#include <cmath>
#include <span>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond {

/// N (sum_j W_j e^{a_j})^2 / sum_j W_j e^{2 a_j}, in [0, N], for the log weights of N particles before a
/// step, of which W are the normalised weights, and the step's increments a of these. A particle of weight 0
/// counts for nothing, whatever its increment; the result is 0 where all weights are 0 after the step.
///
/// It is N where the increments are equal, and by small increments of variance v it is N e^{-v}. The
/// effective sample size of the accumulated weights falls with the steps since the last resampling; this one
/// does not [ZJA].
/// @throws std::invalid_argument where the lengths differ, and for a log weight, or an increment of a live
/// particle, that is NaN or +inf.
[[nodiscard]] inline double conditional_ess(std::span<const double> log_weights,
                                            std::span<const double> increments) {
    const std::size_t n = log_weights.size();
    require(increments.size() == n && n > 0, [&] {
        return "conditional_ess: " + digits_of(n) + " log weights and " + digits_of(increments.size()) +
               " increments: one of each for every particle, and at least one particle, are needed";
    });
    double before = -infinity, after = -infinity;
    for (std::size_t j = 0; j < n; ++j) {
        const double w = log_weights[j];
        const bool live = w > -infinity;
        require(!detail::is_no_log_weight(w) && !(live && detail::is_no_log_weight(increments[j])), [&] {
            return "conditional_ess: particle " + digits_of(j) + " has the log weight " + digits_of(w) +
                   " and the increment " + digits_of(increments[j]) +
                   ": they are finite, or -inf of what has no weight";
        });
        if (!live) continue;
        before = std::fmax(before, w);
        after = std::fmax(after, w + increments[j]);
    }
    if (after == -infinity) return 0.0;
    double total = 0.0, sum = 0.0, squares = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
        if (log_weights[j] == -infinity) continue;
        const double w = log_weights[j] - before, relative = log_weights[j] + increments[j] - after;
        total += std::exp(w);
        if (relative == -infinity) continue;
        sum += std::exp(relative);
        squares += std::exp(2.0 * relative - w);
    }
    const double share = sum / total * (sum / squares); // 0 where a weight of e^-709 has become the largest
    return static_cast<double>(n) * std::fmin(share, 1.0);
}

} // namespace diamond
