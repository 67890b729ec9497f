/// A Gaussian under a quadratic reward, on the host.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/symmetric_eigen.hpp>
#include <diamond/oracle/tilt.hpp>

namespace diamond::detail {

/// N(mu, C) times exp(constant + c . z - 1/2 z^T Q z), Q diagonal: with R = C^{1/2}, S = R Q R and g = c - Q mu,
/// covariance R (I + S)^{-1} R, mean mu + covariance g, and log Z. Nothing is inverted that may be nearly singular.
struct tilted_gaussian {
    std::vector<double> mean, covariance;
    double              log_z;

    /// @throws std::invalid_argument if the tilted density has no integral.
    template <class Context>
    tilted_gaussian(const Context& context, const std::vector<double>& mu, const symmetric_eigen& c, const quadratic_form& reward) : mean(mu) {
        const index_t        d    = c.d;
        const quadratic_form form = filled_form(reward, d);
        const auto           at   = [d](index_t i, index_t j) { return static_cast<std::size_t>(i + d * j); };
        std::vector<double>  root_values(c.values);
        for (double& value : root_values) value = std::sqrt(value);
        const std::vector<double> root = c.compose(root_values);
        std::vector<double>       weighted(root); // Q R
        for (index_t j = 0; j < d; ++j)
            for (index_t k = 0; k < d; ++k) weighted[at(k, j)] *= form.curvature[static_cast<std::size_t>(k)];
        const symmetric_eigen shape(context, multiply(root, weighted, d), d);
        std::vector<double>   shrink(shape.values);
        log_z = form.constant;
        for (double& value : shrink) {
            require(1.0 + value > 0.0, [&] { return "a curvature that outweighs the covariance by " + digits_of(value) + ": the tilted density has no integral"; });
            log_z -= 0.5 * std::log1p(value);
            value = 1.0 / (1.0 + value);
        }
        const std::vector<double> middle = shape.compose(shrink);
        covariance                       = multiply(multiply(root, middle, d), root, d);
        std::vector<double> g(form.linear);
        for (index_t i = 0; i < d; ++i) {
            const auto k = static_cast<std::size_t>(i);
            log_z += form.linear[k] * mu[k] - 0.5 * form.curvature[k] * mu[k] * mu[k];
            g[k] -= form.curvature[k] * mu[k];
        }
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < d; ++i) {
                const double step = covariance[at(i, j)] * g[static_cast<std::size_t>(j)];
                mean[static_cast<std::size_t>(i)] += step;
                log_z += 0.5 * g[static_cast<std::size_t>(i)] * step;
            }
    }
};

} // namespace diamond::detail
