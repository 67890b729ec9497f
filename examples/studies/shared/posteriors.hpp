/// This header draws noisy states of a law of the plane, and says what is known of their posteriors: moments,
/// weights of components, values and their gradients.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace studies {

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
    estimator(x.read(), t, {}, stream, diamond::value_rows<context>{.value = diamond::row(value)});
    estimator.guidance(x.read(), t, {}, stream, gradient.mutable_view());
    result.value = to_host(value);
    result.gradient = to_host(gradient);
    const double b = diamond::guidance_factor(diamond::linear_schedule{}, t);
    for (float& g : result.gradient) g = static_cast<float>(static_cast<double>(g) / b);
    return result;
}

} // namespace studies
