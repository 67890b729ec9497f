/// Weights as 64-bit integers, whose sums are exact in any order, so that ancestors agree on every back end and number of threads.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <diamond/concepts/resampler.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

namespace detail {
__extension__ using double_word = unsigned __int128; // products of two 64-bit words

/// round(exp(log_weight - high) scale)
struct to_fixed_point {
    const double *log_weight, *high;
    double         scale;
    std::uint64_t* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<std::uint64_t>(exp_nonpositive(log_weight[j] - *high) * scale + 0.5); }
};
struct log_weight_entry {
    const double* log_weight;
    DIAMOND_HD double operator()(index_t j) const { return log_weight[j]; }
};
} // namespace detail

/// The number that stands for the largest of N weights: 2^62 over N rounded up to a power of two, so that the sum of all cannot overflow.
[[nodiscard]] inline double fixed_point_scale(index_t columns) {
    return std::ldexp(1.0, 62 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(columns - 1))));
}

/// cumulative[j] = sum_{i <= j} of the weights in fixed point. The largest log weight must be finite; -inf weighs nothing.
template <class Context>
void cumulative_weights(const Context& context, const double* log_weight, index_t columns, resampling_scratch<Context>& space, std::uint64_t* cumulative) {
    space.highest.resize(context, 1, 1);
    context.max(columns, detail::log_weight_entry{log_weight}, space.highest.data());
    context.for_each(columns, detail::to_fixed_point{log_weight, space.highest.data(), fixed_point_scale(columns), cumulative});
    context.scan_sum(cumulative, columns, cumulative);
}

} // namespace diamond
