/// This file sums weights that are given by their logarithms.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Holds the sums of w = exp(log w - high) and of w^2 over units; a unit is a sample or the mean of an
/// antithetic pair of samples.
struct weight_sums {
    double high, first, second;

    /// Returns the logarithm of the mean weight of `units` units: high + log(first/units); -inf where all
    /// weights are 0.
    [[nodiscard]] DIAMOND_HD double log_mean(index_t units) const {
        return high == -infinity ? -infinity : high + std::log(first / static_cast<double>(units));
    }
    /// Returns the effective sample size (sum w)^2 / sum w^2; 0 where all weights are 0.
    [[nodiscard]] DIAMOND_HD double ess() const { return second > 0.0 ? square(first) / second : 0.0; }
};

/// Sums `samples` weights, given by log_weight[0 ... samples - 1]; `high` is the largest of these. With
/// `pairs`, samples 2k and 2k + 1 are one unit, of their mean weight, and `samples` is even.
DIAMOND_HD inline weight_sums sum_weights(const double* log_weight, index_t samples, bool pairs) {
    double high = -infinity;
    for (index_t i = 0; i < samples; ++i) high = log_weight[i] > high ? log_weight[i] : high;
    weight_sums sums{high, 0.0, 0.0};
    if (high == -infinity) return sums;
    for (index_t i = 0; i < samples; ++i) {
        double weight = std::exp(log_weight[i] - high);
        if (pairs) weight = 0.5 * (weight + std::exp(log_weight[++i] - high));
        sums.first += weight;
        sums.second += square(weight);
    }
    return sums;
}

/// Says whether x is NaN or +inf, which are no logarithms of weights; -inf is one, that of 0.
DIAMOND_HD inline bool is_no_log_weight(double x) { return std::isnan(x) || x == infinity; }

} // namespace diamond::detail
