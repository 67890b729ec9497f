/// Sums of weights that are given by their logarithms.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Sums over `units` of exp(log - high) and its square, a unit being a sample or the mean of an antithetic pair.
struct weight_sums {
    double high, first, second;

    [[nodiscard]] DIAMOND_HD double log_mean(index_t units) const {
        return high == -infinity ? -infinity : high + std::log(first / static_cast<double>(units));
    }
    [[nodiscard]] DIAMOND_HD double ess() const { return second > 0.0 ? square(first) / second : 0.0; }
};

/// Of `samples` log weights. With pairs, an odd last sample is left out of the second moment's pairing by counting alone.
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

/// NaN and +inf are no logarithms of weights; -inf is, of 0.
struct not_a_weight {
    const double* log_weight;
    DIAMOND_HD bool operator()(index_t j) const { return std::isnan(log_weight[j]) || log_weight[j] == infinity; }
};

} // namespace diamond::detail
