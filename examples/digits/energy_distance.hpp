// How far samples are from draws of the truth.
#pragma once

#include <cmath>
#include <map>
#include <optional>
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

struct measured_distance {
    double value = 0.0, standard_error = 0.0;
};

/// The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|. Particles of one family, those with a common x_0, are dependent: only pairs
/// of two families enter E|X - X'|, whose weights sum to 1 - sum over families of (their weight)^2. Then the estimate is unbiased for
/// independent families of given weights, and may be below zero where X and Y are close; weights made to sum to 1, as SMC's are, leave a
/// bias that falls as one over the number of families. x has weights that sum to 1; `spread_y` is spread(y).
/// The standard error is the infinitesimal jackknife over families, with y held; it is too large, by up to sqrt 2, where X and Y have
/// one law. None where all the weight is in one family.
inline std::optional<measured_distance> energy_distance(const floats& x, const std::vector<double>& weights, const std::vector<std::int32_t>& families,
                                                        const floats& y, double spread_y) {
    struct parts {
        double weight = 0.0, across = 0.0, within = 0.0; // within: to all other families
    };
    const std::size_t             n = weights.size(), m = y.size() / pixels;
    std::map<std::int32_t, parts> of_family;
    for (std::size_t i = 0; i < n; ++i) {
        if (weights[i] == 0.0) continue;
        parts& own      = of_family[families[i]];
        double to_truth = 0.0;
        for (std::size_t j = 0; j < m; ++j) to_truth += detail::distance(&x[i * pixels], &y[j * pixels]);
        for (std::size_t j = 0; j < i; ++j) {
            if (weights[j] == 0.0 || families[j] == families[i]) continue;
            const double d = weights[i] * weights[j] * detail::distance(&x[i * pixels], &x[j * pixels]);
            own.within += d;
            of_family[families[j]].within += d;
        }
        own.weight += weights[i];
        own.across += weights[i] * to_truth / static_cast<double>(m);
    }
    if (of_family.size() < 2) return std::nullopt;
    double across = 0.0, within = 0.0, pairs = 1.0, variance = 0.0;
    for (const auto& [family, part] : of_family) {
        across += part.across;
        within += part.within;
        pairs -= diamond::square(part.weight);
    }
    within /= pairs;
    for (const auto& [family, part] : of_family) // the derivative by the logarithm of the family's weight
        variance += diamond::square(2.0 * (part.across - part.weight * across) - 2.0 * (part.within - part.weight * (1.0 - part.weight) * within) / pairs);
    return measured_distance{2.0 * across - within - spread_y, std::sqrt(variance)};
}

} // namespace digits
