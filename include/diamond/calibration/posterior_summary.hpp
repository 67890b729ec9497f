/// What weighted samples say of a posterior: mean, deviation, quantiles and intervals of each coordinate, and
/// samples of equal weight.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

/// Weighted samples on the host, as the results of runs have them: d x N numbers, a sample a column, and N
/// weights with sum 1.
struct weighted_samples {
    index_t dimension = 0;            ///< d
    std::vector<double> values = {};  ///< d x N, column by column
    std::vector<double> weights = {}; ///< N

    [[nodiscard]] index_t count() const { return static_cast<index_t>(weights.size()); } ///< N
    /// Returns coordinate i of sample j.
    [[nodiscard]] double operator()(index_t i, index_t j) const {
        return values[static_cast<std::size_t>(i + dimension * j)];
    }
    /// Returns 1/sum w^2, the effective number of independent samples as far as the weights tell.
    [[nodiscard]] double effective() const {
        return 1.0 / std::inner_product(weights.begin(), weights.end(), weights.begin(), 0.0);
    }
};

/// Copies particles, d x N, and their weights to the host; the weights are divided by their sum, and are all
/// the same where none are given. It waits for a device. @throws std::invalid_argument for no particles or
/// coordinates, unless there are as many weights as particles, where a weight is negative, NaN or infinite or
/// all are 0, and where a particle of positive weight is not finite.
template <class Value, class Context>
[[nodiscard]] weighted_samples samples_on_host(batch_view<Value, Context> particles,
                                               std::vector<double> weights = {}) {
    const index_t d = particles.rows(), n = particles.columns();
    if (weights.empty()) weights.assign(static_cast<std::size_t>(n), 1.0);
    require(d > 0 && n > 0 && static_cast<index_t>(weights.size()) == n, [&] {
        return "weighted samples: " + digits_of(weights.size()) + " weights for " + digits_of(n) +
               " particles of dimension " + digits_of(d) +
               ": there must be some, and a weight for each, or none for equal ones";
    });
    double sum = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j) {
        require(weights[j] >= 0.0 && weights[j] < infinity, [&] {
            return "weighted samples: weight " + digits_of(j) + " is " + digits_of(weights[j]) +
                   ": weights are finite and not negative; take weights(), not log weights";
        });
        sum += weights[j];
    }
    require(sum > 0.0 && sum < infinity,
            "weighted samples: the weights have no sum: all of them are 0, or too "
            "large");
    for (double& w : weights) w /= sum;
    const auto host = to_host(particles);
    weighted_samples result{d, {host.begin(), host.end()}, std::move(weights)};
    for (index_t j = 0; j < n; ++j)
        for (index_t i = 0; i < d; ++i)
            if (!std::isfinite(result(i, j))) {
                require(result.weights[static_cast<std::size_t>(j)] == 0.0, [&] {
                    return "weighted samples: coordinate " + digits_of(i) + " of particle " + digits_of(j) +
                           " is NaN or infinite, and has a weight";
                });
                result.values[static_cast<std::size_t>(i + d * j)] = 0.0; // no weight, and no NaN of 0 times
                                                                          // it
            }
    return result;
}
/// Copies a batch and the weights of its particles, as of its view.
template <class Real, class Context>
[[nodiscard]] weighted_samples samples_on_host(const owning_batch<Real, Context>& particles,
                                               std::vector<double> weights = {}) {
    return samples_on_host(particles.read(), std::move(weights));
}

namespace detail {
/// @throws std::invalid_argument unless there are samples, d numbers and a weight for each, the weights are
/// not negative and have the sum 1, and the samples that have a weight are finite.
inline void require_samples(const weighted_samples& of) {
    const index_t d = of.dimension, n = of.count();
    require(d > 0 && n > 0 && static_cast<index_t>(of.values.size()) == d * n, [&] {
        return "weighted samples: " + digits_of(of.values.size()) + " numbers for " + digits_of(n) +
               " samples of dimension " + digits_of(d) + ": as many as both together are needed, and some";
    });
    double sum = 0.0;
    bool negative = false;
    for (const double w : of.weights) {
        sum += w;
        negative = negative || !(w >= 0.0);
    }
    constexpr double rounding = 1e-9;
    require(!negative && std::abs(sum - 1.0) < rounding, [&] {
        return "weighted samples: the weights have the sum " + digits_of(sum) +
               ": none is negative and they add up to 1, as those of samples_on_host do";
    });
    for (index_t j = 0; j < n; ++j)
        if (of.weights[static_cast<std::size_t>(j)] > 0.0)
            for (index_t i = 0; i < d; ++i)
                require(std::isfinite(of(i, j)), [&] {
                    return "weighted samples: coordinate " + digits_of(i) + " of particle " + digits_of(j) +
                           " is NaN or infinite, and has a weight";
                });
}
} // namespace detail

/// The mean and the standard deviation of each coordinate.
struct posterior_summary {
    std::vector<double> mean;      ///< d numbers, sum w x
    std::vector<double> deviation; ///< d numbers; NaN where one sample has all of the weight
};
/// Returns the mean and the deviation of each coordinate. The variance is n/(n - 1) sum w (x - mean)^2 of the
/// n samples that have a weight: without bias where the weights are equal and the samples independent.
/// Weights that depend on the samples, as those of importance sampling, make it too small where few of them
/// count, see `effective`. @throws std::invalid_argument for samples that samples_on_host would not give.
[[nodiscard]] inline posterior_summary summarise(const weighted_samples& of) {
    detail::require_samples(of);
    posterior_summary result;
    const auto n = static_cast<double>(
        std::count_if(of.weights.begin(), of.weights.end(), [](double w) { return w > 0.0; }));
    for (index_t i = 0; i < of.dimension; ++i) {
        double mean = 0.0, variance = 0.0;
        for (index_t j = 0; j < of.count(); ++j) mean += of.weights[static_cast<std::size_t>(j)] * of(i, j);
        for (index_t j = 0; j < of.count(); ++j)
            variance += of.weights[static_cast<std::size_t>(j)] * (of(i, j) - mean) * (of(i, j) - mean);
        result.mean.push_back(mean);
        result.deviation.push_back(n > 1.0 ? std::sqrt(variance * n / (n - 1.0)) : not_a_number);
    }
    return result;
}

namespace detail {
/// Coordinate i of the samples that have a weight, and their weights, by rising value.
[[nodiscard]] inline std::vector<std::pair<double, double>> sorted_coordinate(const weighted_samples& of,
                                                                              index_t i) {
    std::vector<std::pair<double, double>> sorted;
    for (index_t j = 0; j < of.count(); ++j)
        if (const double w = of.weights[static_cast<std::size_t>(j)]; w > 0.0)
            sorted.emplace_back(of(i, j), w);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}
/// The quantile at `level` of sorted values with weights: where the weight below passes from one sample to
/// the next, linear over half the smaller of the two weights on either side, and else the sample.
[[nodiscard]] inline double quantile_of(const std::vector<std::pair<double, double>>& sorted, double level) {
    double below = 0.0;
    for (std::size_t k = 1; k < sorted.size(); ++k) {
        const auto& [x, w] = sorted[k - 1];
        const auto& [next, next_w] = sorted[k];
        below += w;
        const double reach = 0.5 * std::min(w, next_w), from = below - reach;
        if (level <= from) return x;
        if (level < below + reach) return x + (level - from) / (2.0 * reach) * (next - x);
    }
    return sorted.back().first;
}
inline void require_level(double level) {
    require(level > 0.0 && level < 1.0, [&] {
        return "an interval or a quantile of level " + digits_of(level) + ": it lies between 0 and 1";
    });
}
} // namespace detail

/// Returns the quantile at `level`, in (0, 1), of each coordinate, d numbers: linear between the middles of
/// the sorted samples' weights where these are equal, and the outermost sample beyond; a sample that
/// outweighs its neighbours is the quantile of all levels but those within half a neighbour's weight of it.
/// @throws std::invalid_argument for another level, and for samples that samples_on_host would not give.
/// Cost: d N log N on the host.
[[nodiscard]] inline std::vector<double> quantiles(const weighted_samples& of, double level) {
    detail::require_level(level);
    detail::require_samples(of);
    std::vector<double> result;
    for (index_t i = 0; i < of.dimension; ++i)
        result.push_back(detail::quantile_of(detail::sorted_coordinate(of, i), level));
    return result;
}

/// An interval for each coordinate.
struct posterior_intervals {
    std::vector<double> lower, upper; ///< d numbers each
};
/// Returns the interval of each coordinate that leaves (1 - level)/2 of the weight on either side. Of N
/// independent samples of equal weight it covers level N/(N + 1): the samples must be many beside 1/(1 -
/// level). @throws std::invalid_argument as quantiles does.
[[nodiscard]] inline posterior_intervals intervals(const weighted_samples& of, double level) {
    detail::require_level(level);
    detail::require_samples(of);
    posterior_intervals result;
    for (index_t i = 0; i < of.dimension; ++i) {
        const auto sorted = detail::sorted_coordinate(of, i);
        result.lower.push_back(detail::quantile_of(sorted, 0.5 * (1.0 - level)));
        result.upper.push_back(detail::quantile_of(sorted, 0.5 * (1.0 + level)));
    }
    return result;
}

/// Returns the indices of n samples of equal weight, drawn by systematic resampling: sample j is there n w_j
/// times, rounded up or down, in rising order. @throws std::invalid_argument for n < 1.
[[nodiscard]] inline std::vector<index_t> draw_equal(const weighted_samples& of, index_t n, philox rng) {
    detail::require_samples(of);
    require(n >= 1, [&] { return "draw_equal of " + digits_of(n) + " samples: at least 1 is drawn"; });
    const double start = rng.stream(purpose::resampling).uniform(0);
    std::vector<index_t> result;
    double below = 0.0;
    index_t last = 0;
    for (index_t j = 0; j < of.count(); ++j) {
        const double w = of.weights[static_cast<std::size_t>(j)];
        if (w == 0.0) continue;
        below += w;
        last = j;
        while (static_cast<index_t>(result.size()) < n &&
               (static_cast<double>(result.size()) + start) / static_cast<double>(n) < below)
            result.push_back(j);
    }
    while (static_cast<index_t>(result.size()) < n) result.push_back(last); // the rounding of the sum
    return result;
}

} // namespace diamond
