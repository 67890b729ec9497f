/// This header measures what a sampler of posteriors gets right: moments, weights of components, values and
/// their gradients, against the exact ones.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace learned {

using diamond::index_t;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;

template <class Model>
concept has_components = requires(const Model& model) { model.components(); };

/// This type holds the moments of a law on the plane, with the weights of the components if it is a mixture.
struct moments {
    std::array<double, 2> mean{};
    std::array<double, 3> covariance{}; ///< xx, xy, yy
    std::vector<double> weights;

    [[nodiscard]] double trace() const { return covariance[0] + covariance[2]; }
};

/// Returns the K x N probabilities of the components given x_t, or nothing for a model without components.
template <class Model>
std::vector<float> component_weights(const Model& model, const batch& x, double t) {
    if constexpr (has_components<Model>) {
        batch weights(x.context(), model.components().count(), x.columns());
        auto space = model.make_workspace(x.context(), x.columns());
        model.responsibilities(x.read(), t, {}, space, weights.mutable_view());
        return to_host(weights);
    } else {
        return {};
    }
}

/// Returns the moments of p_{1|t}(. | x_t) for each column of x. Their mean is D, and Cov[z | x_t] =
/// sigma^2/alpha dD/dx, where D = x + sigma u on the linear schedule.
template <class Model>
std::vector<moments> exact_moments(const Model& model, const batch& x, double t) {
    const auto& where = x.context();
    const index_t n = x.columns();
    auto space = model.make_workspace(where, n);
    batch mean(where, 2, n), axis(where, 2, n), slope(where, 2, n);
    model.denoiser(x.read(), t, {}, space, mean.mutable_view());
    const auto weights = component_weights(model, x, t);
    const std::size_t k = weights.size() / static_cast<std::size_t>(n);
    const std::vector<float> d = to_host(mean);
    std::vector<moments> result(static_cast<std::size_t>(n));
    for (std::size_t j = 0; j < result.size(); ++j) {
        result[j].mean = {d[2 * j], d[2 * j + 1]};
        result[j].weights.assign(weights.begin() + static_cast<std::ptrdiff_t>(k * j),
                                 weights.begin() + static_cast<std::ptrdiff_t>(k * (j + 1)));
    }
    for (const std::size_t i : {0u, 1u}) {
        std::vector<float> unit(static_cast<std::size_t>(2 * n), 0.0f);
        for (std::size_t j = 0; j < result.size(); ++j) unit[2 * j + i] = 1.0f;
        where.from_host(unit.data(), 2 * n, axis.data());
        model.jvp(x.read(), t, {}, axis.read(), space, slope.mutable_view());
        const auto column = to_host(slope);
        for (std::size_t j = 0; j < result.size(); ++j)
            for (std::size_t row = 0; row <= i; ++row)
                result[j].covariance[row + i] = (1.0 - t) * (1.0 - t) / t *
                                                ((row == i ? 1.0 : 0.0) +
                                                 (1.0 - t) * static_cast<double>(column[2 * j + row]));
    }
    return result;
}

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

/// Returns x_t = t z + (1 - t) eps of `count` draws of the model.
template <class Model>
batch noised_draws(const context& where, const Model& model, double t, index_t count, diamond::philox rng) {
    batch z(where, 2, count), x(where, 2, count);
    model.draw(rng.split(1).stream(diamond::purpose::data), z.mutable_view());
    diamond::draw_normal(rng.split(2).stream(diamond::purpose::data), x.mutable_view());
    diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{t, 1.0 - t}}), x.mutable_view(), z.read(),
                     x.read());
    return x;
}

/// This type holds V and grad V of a batch of states.
struct values {
    std::vector<double> value;
    std::vector<float> gradient;
};

/// Returns them as an estimator gives them, whose guidance is b(t) grad V.
template <class Estimator>
values evaluate(Estimator estimator, const batch& x, double t, diamond::noise_stream stream) {
    values result{.value = std::vector<double>(static_cast<std::size_t>(x.columns())), .gradient = {}};
    batch gradient(x.context(), 2, x.columns());
    diamond::owning_batch<double, context> value(x.context(), 1, x.columns());
    estimator(x.read(), t, {}, stream, diamond::value_batch{.value = value.data()});
    estimator.guidance(x.read(), t, {}, stream, gradient.mutable_view());
    result.value = to_host(value);
    result.gradient = to_host(gradient);
    const double b = diamond::guidance_factor(diamond::linear_schedule{}, t);
    for (float& g : result.gradient) g = static_cast<float>(static_cast<double>(g) / b);
    return result;
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
