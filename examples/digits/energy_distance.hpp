// How far samples are from draws of the truth.
#pragma once

#include <cmath>
#include <vector>

#include "data_set.hpp"

namespace digits {

namespace detail {
inline double distance(const real* a, const real* b) {
    double sum = 0.0;
    for (index_t i = 0; i < pixels; ++i) sum += diamond::square(static_cast<double>(a[i] - b[i]));
    return std::sqrt(sum);
}
} // namespace detail

/// Mean distance of two different ones of independent draws: the term E|Y - Y'| of the truth, computed once.
inline double spread(const floats& y) {
    const std::size_t n   = y.size() / pixels;
    double            sum = 0.0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < i; ++j) sum += detail::distance(&y[i * pixels], &y[j * pixels]);
    return 2.0 * sum / (static_cast<double>(n) * static_cast<double>(n - 1));
}

/// The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|, its unbiased estimate for independent draws: no particle is paired with
/// itself. x has weights that sum to 1; `spread_y` is spread(y). It may be slightly below zero where X and Y have one law.
inline double energy_distance(const floats& x, const std::vector<double>& weights, const floats& y, double spread_y) {
    const std::size_t n = weights.size(), m = y.size() / pixels;
    double            across = 0.0, within = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        if (weights[i] == 0.0) continue;
        squares += diamond::square(weights[i]);
        double to_truth = 0.0, to_others = 0.0;
        for (std::size_t j = 0; j < m; ++j) to_truth += detail::distance(&x[i * pixels], &y[j * pixels]);
        for (std::size_t j = 0; j < i; ++j) to_others += weights[j] * detail::distance(&x[i * pixels], &x[j * pixels]);
        across += weights[i] * to_truth / static_cast<double>(m);
        within += 2.0 * weights[i] * to_others;
    }
    return squares < 1.0 ? 2.0 * across - within / (1.0 - squares) - spread_y : NAN;
}

} // namespace digits
