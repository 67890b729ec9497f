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
    tilted_gaussian(const std::vector<double>& mu, const symmetric_eigen& c, const quadratic_form& reward) : mean(mu) {
        const index_t        d    = c.d;
        const quadratic_form form = filled_form(reward, d);
        const auto           at   = [d](index_t i, index_t j) { return static_cast<std::size_t>(i + d * j); };
        std::vector<double>  root_values(c.values);
        for (double& value : root_values) value = std::sqrt(value);
        const std::vector<double> root = c.compose(root_values);
        std::vector<double>       s(root.size());
        for (index_t k = 0; k < d; ++k)
            for (index_t j = 0; j < d; ++j)
                for (index_t i = 0; i < d; ++i) s[at(i, j)] += root[at(i, k)] * form.curvature[static_cast<std::size_t>(k)] * root[at(k, j)];
        const symmetric_eigen shape(s, d);
        std::vector<double>   shrink(shape.values);
        log_z = form.constant;
        for (double& value : shrink) {
            require(1.0 + value > 0.0, [&] { return "a curvature that outweighs the covariance by " + digits_of(value) + ": the tilted density has no integral"; });
            log_z -= 0.5 * std::log1p(value);
            value = 1.0 / (1.0 + value);
        }
        const std::vector<double> middle = shape.compose(shrink);
        covariance                       = sandwich(root, middle, d);
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

private:
    /// R M R for symmetric R and M.
    static std::vector<double> sandwich(const std::vector<double>& r, const std::vector<double>& m, index_t d) {
        const auto multiply = [d](const std::vector<double>& a, const std::vector<double>& b) {
            std::vector<double> product(a.size());
            for (index_t j = 0; j < d; ++j)
                for (index_t k = 0; k < d; ++k)
                    for (index_t i = 0; i < d; ++i)
                        product[static_cast<std::size_t>(i + d * j)] += a[static_cast<std::size_t>(i + d * k)] * b[static_cast<std::size_t>(k + d * j)];
            return product;
        };
        return multiply(multiply(r, m), r);
    }
};

} // namespace diamond::detail
