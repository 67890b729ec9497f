/// This header measures what a sampler of posteriors gets right: moments, weights of components, values and
/// their gradients, against the exact ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "../shared/posteriors.hpp"

namespace learned {

using studies::index_t, studies::batch, studies::context;
using studies::moments, studies::component_weights, studies::exact_moments, studies::has_components;
using studies::noised_draws, studies::values, studies::evaluate;

/// Returns the moments of draws first ... first + count - 1, with an unbiased covariance. `weights` are those
/// of the components for all draws.
inline moments sample_moments(const std::vector<float>& draws, const std::vector<float>& weights,
                              std::size_t first, std::size_t count) {
    moments result;
    const auto n = static_cast<double>(count);
    const std::size_t k = weights.size() / (draws.size() / 2);
    result.weights.assign(k, 0.0);
    for (std::size_t j = first; j < first + count; ++j) {
        for (const std::size_t i : {0u, 1u}) result.mean[i] += static_cast<double>(draws[2 * j + i]) / n;
        for (std::size_t c = 0; c < k; ++c) result.weights[c] += static_cast<double>(weights[k * j + c]) / n;
    }
    for (std::size_t j = first; j < first + count; ++j) {
        const double x = static_cast<double>(draws[2 * j]) - result.mean[0],
                     y = static_cast<double>(draws[2 * j + 1]) - result.mean[1];
        result.covariance[0] += x * x / (n - 1.0);
        result.covariance[1] += x * y / (n - 1.0);
        result.covariance[2] += y * y / (n - 1.0);
    }
    return result;
}

/// This type is the root of a mean square. Its standard error is that of the mean square, carried through the
/// root.
struct root_mean_square {
    double value = 0.0, standard_error = 0.0;

    /// A mean square may be negative if something was subtracted from it; its root is then 0.
    explicit root_mean_square(const std::vector<double>& squares) {
        const auto n = static_cast<double>(squares.size());
        double mean = 0.0, variance = 0.0;
        for (const double s : squares) mean += s / n;
        for (const double s : squares) variance += diamond::square(s - mean) / (n * (n - 1.0));
        value = std::sqrt(std::max(mean, 0.0));
        const double e = std::sqrt(variance);
        standard_error = value > e ? e / (2.0 * value) : std::sqrt(e) / 2.0;
    }
};

/// These errors of posterior moments over many x_t are root mean squares, without what finitely many draws
/// add to them.
struct moment_errors {
    /// |m - D|^2/tr Cov, in units of the standard deviation of the exact posterior.
    root_mean_square mean;
    /// |C - Cov|^2/(tr Cov)^2 in the Frobenius norm, in units of its variance.
    root_mean_square covariance;
    root_mean_square weights; ///< the errors of the component weights
};

/// Measures the errors. Two halves of the draws have independent errors with the same mean, so that the mean
/// of their product is the square of that mean, without a Monte Carlo part.
template <class Model, class Sampler>
moment_errors errors_of(const Model& model, Sampler sampler, const batch& x, double t,
                        const std::vector<moments>& exact, diamond::noise_stream stream) {
    batch draws(x.context(), 2, x.columns() * stream.samples);
    sampler(x.read(), t, {}, stream, draws.mutable_view());
    const auto z = to_host(draws), weights = component_weights(model, draws, 1.0);
    const auto half = static_cast<std::size_t>(stream.samples / 2);
    std::vector<double> of_mean, of_covariance, of_weights;
    for (std::size_t j = 0; j < exact.size(); ++j) {
        const moments a = sample_moments(z, weights, 2 * half * j, half),
                      b = sample_moments(z, weights, 2 * half * j + half, half);
        const auto product = [](const auto& one, const auto& other, const auto& truth, std::size_t i) {
            return (one[i] - truth[i]) * (other[i] - truth[i]);
        };
        const moments& e = exact[j];
        of_mean.push_back((product(a.mean, b.mean, e.mean, 0) + product(a.mean, b.mean, e.mean, 1)) /
                          e.trace());
        of_covariance.push_back((product(a.covariance, b.covariance, e.covariance, 0) +
                                 2.0 * product(a.covariance, b.covariance, e.covariance, 1) +
                                 product(a.covariance, b.covariance, e.covariance, 2)) /
                                diamond::square(e.trace()));
        double sum = 0.0;
        for (std::size_t k = 0; k < e.weights.size(); ++k)
            sum += product(a.weights, b.weights, e.weights, k) / static_cast<double>(e.weights.size());
        of_weights.push_back(sum);
    }
    return {root_mean_square(of_mean), root_mean_square(of_covariance), root_mean_square(of_weights)};
}

/// Returns the root mean squares of the error of V, in nats, and of that of its gradient divided by the exact
/// gradient.
inline std::pair<double, double> errors_of(const values& found, const values& exact) {
    double value = 0.0, gradient = 0.0, size = 0.0;
    for (std::size_t j = 0; j < exact.value.size(); ++j)
        value += diamond::square(found.value[j] - exact.value[j]);
    for (std::size_t k = 0; k < exact.gradient.size(); ++k) {
        gradient += diamond::square(static_cast<double>(found.gradient[k]) -
                                    static_cast<double>(exact.gradient[k]));
        size += diamond::square(static_cast<double>(exact.gradient[k]));
    }
    return {std::sqrt(value / static_cast<double>(exact.value.size())), std::sqrt(gradient / size)};
}

} // namespace learned
