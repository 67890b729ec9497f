/// What sequential Monte Carlo does to values and weights, particle by particle, and what the weights of a step say. Section 7.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include <diamond/align/fixed_point.hpp>
#include <diamond/align/smc_result.hpp>

namespace diamond::detail {

/// V_k = logaddexp(max(V_k, floor), log delta); V_{k-1} again where that is -inf: the whole step was forbidden.
struct raise_values {
    double        floor, log_delta;
    const double* before;
    double*       value;
    DIAMOND_HD void operator()(index_t j) const {
        const double raised = log_add_exp(value[j] > floor ? value[j] : floor, log_delta);
        value[j]            = raised > -infinity ? raised : before[j];
    }
};
/// 1 where a value is left to the floor: below it, or -inf with nothing else to raise it.
struct below_floor {
    const double* value;
    double        floor, log_delta;
    DIAMOND_HD double operator()(index_t j) const { return value[j] < floor || (value[j] == -infinity && log_delta == -infinity) ? 1.0 : 0.0; }
};
struct constant_fill {
    double  constant;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = constant; }
};
struct own_index {
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<std::int32_t>(j); }
};

/// log w + V_k - V_{k-1}; V_{k-1} is finite.
struct weigh_by_value {
    const double *value, *before, *log_weight;
    double*       out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = log_weight[j] + (value[j] - before[j]); }
};
struct relative_weight {
    const double* log_weight;
    double        high;
    int           power;
    DIAMOND_HD double operator()(index_t j) const { return exp_nonpositive(power * (log_weight[j] - high)); }
};
struct weighted_value_entry {
    const double *log_weight, *value;
    double        high;
    DIAMOND_HD double operator()(index_t j) const {
        const double weight = exp_nonpositive(log_weight[j] - high);
        return weight > 0.0 ? weight * value[j] : 0.0;
    }
};
/// The increment of a live particle, times `sign`: the maximum of minus the increments is minus the least.
struct live_increment {
    const double *log_weight, *value, *before;
    double        sign;
    DIAMOND_HD double operator()(index_t j) const { return log_weight[j] == -infinity ? -infinity : sign * (value[j] - before[j]); }
};

/// log of the mean of exp x_j; -inf where all are.
template <class Context>
double log_mean_exp(const Context& context, index_t columns, const double* x) {
    const double high = context.max(columns, log_weight_entry{x});
    return high == -infinity ? high : high + std::log(context.sum(columns, relative_weight{x, high, 1}) / static_cast<double>(columns));
}

/// Where a step's values are forbidden or hopeless and neither floor nor delta is given: so many nats below the best of them. exp(-1000) is
/// 0, so such a particle weighs nothing beside the best; and differences of values so near each other are exact to 1e-12.
inline constexpr double depth_of_floor = 1000.0;

/// Makes V_k finite, k < K, and tells how many values the floor raised.
///
/// A floor that depends on the whole step leaves Z-hat unbiased. For given particles, the offspring j of i have E[sum_j exp(-V_k(j)) f(x_j)]
/// mean w = sum_i w_i exp(-V_k(i)) f(x_i)/N with w_i = w'_i exp(V_k(i) - V_{k-1}(i)): V_k cancels, whatever finite numbers its entries
/// are, as long as they were fixed before the resampler drew. And it moves with the values, so r and r + c run alike.
template <class Context>
index_t make_finite(const Context& context, index_t columns, std::optional<double> floor, double log_delta, const double* before, double* value) {
    if (!floor) floor = log_delta == -infinity ? context.max(columns, log_weight_entry{value}) - depth_of_floor : -infinity;
    const double raised = context.sum(columns, below_floor{value, *floor, log_delta});
    context.for_each(columns, raise_values{*floor, log_delta, before, value});
    return static_cast<index_t>(raised);
}

/// A step's line in the trace, and log of the mean weight.
struct weight_summary {
    smc_step trace;
    double   log_mean = -infinity;
};

/// @param value V_k of each particle, and `before` V_{k-1}. @throws dead_weights naming `step` where all weights are zero.
template <class Context>
weight_summary summarise_weights(const Context& context, index_t columns, const double* log_weight, const double* value, const double* before, index_t step,
                                 double time) {
    const double high = context.max(columns, log_weight_entry{log_weight});
    if (high == -infinity) throw dead_weights(static_cast<long>(step));
    const double   sum        = context.sum(columns, relative_weight{log_weight, high, 1});
    const double   sum_square = context.sum(columns, relative_weight{log_weight, high, 2});
    weight_summary result{{.time = time, .ess = square(sum) / sum_square, .largest_share = 1.0 / sum}, high + std::log(sum / static_cast<double>(columns))};
    result.trace.least_increment   = -context.max(columns, live_increment{log_weight, value, before, -1.0});
    result.trace.largest_increment = context.max(columns, live_increment{log_weight, value, before, 1.0});
    result.trace.mean_value        = context.sum(columns, weighted_value_entry{log_weight, value, high}) / sum;
    return result;
}

} // namespace diamond::detail
