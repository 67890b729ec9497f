/// This header computes posteriors by brute force: z and the noise of x_bar are conditioned on what is
/// observed, through the joint covariance of each component of a mixture.
///
/// It uses no statistic, no network and no identity of a schedule: x_t = alpha z + sigma eps and xbar = abar
/// z + gamma x_t + sbar eps' are Gaussian given the component, so that E[z | x_t, xbar] and E[eps' | x_t,
/// xbar] follow from one solve with the covariance of (x_t, xbar).
#pragma once

#include "small_matrix.hpp"

namespace conditioning {

using small::matrix, small::number;

struct component {
    number weight;
    matrix mean, covariance; ///< d x 1, d x d
};

/// These are the coefficients of x_t and of xbar.
struct observation {
    number alpha, sigma, abar, gamma, sbar;
};

struct expectation {
    matrix z, noise; ///< E[z | x_t, xbar], E[eps' | x_t, xbar], d x 1
};

/// Returns the expectations of z and eps' given both x_t and xbar.
inline expectation given_pair(const std::vector<component>& mixture, const observation& o, const matrix& x_t,
                              const matrix& xbar) {
    const std::size_t d = x_t.rows;
    std::vector<number> log_weights;
    std::vector<expectation> parts;
    for (const component& c : mixture) {
        const matrix one = matrix::identity(d);
        const matrix outer = o.alpha * o.alpha * c.covariance + o.sigma * o.sigma * one;
        const number through = o.abar + o.gamma * o.alpha; // the coefficient of z in xbar
        const matrix cross = o.abar * o.alpha * c.covariance + o.gamma * outer;
        const matrix inner = through * through * c.covariance +
                             (o.gamma * o.gamma * o.sigma * o.sigma + o.sbar * o.sbar) * one;
        matrix joint(2 * d, 2 * d), residual(2 * d, 1), with_z(d, 2 * d), with_noise(d, 2 * d);
        for (std::size_t j = 0; j < d; ++j) {
            for (std::size_t i = 0; i < d; ++i) {
                joint(i, j) = outer(i, j);
                joint(i, d + j) = cross(i, j);
                joint(d + i, j) = cross(j, i);
                joint(d + i, d + j) = inner(i, j);
                with_z(i, j) = o.alpha * c.covariance(i, j);
                with_z(i, d + j) = through * c.covariance(i, j);
            }
            with_noise(j, d + j) = o.sbar;
            residual(j, 0) = x_t(j, 0) - o.alpha * c.mean(j, 0);
            residual(d + j, 0) = xbar(j, 0) - through * c.mean(j, 0);
        }
        const small::solution solved = small::solve(joint, residual);
        log_weights.push_back(std::log(c.weight) -
                              (solved.log_determinant + (residual.transposed() * solved.x)(0, 0)) / 2);
        parts.push_back({c.mean + with_z * solved.x, with_noise * solved.x});
    }
    number high = log_weights.front(), total = 0;
    for (const number w : log_weights) high = std::max(high, w);
    expectation result{matrix(d, 1), matrix(d, 1)};
    for (std::size_t k = 0; k < parts.size(); ++k) total += std::exp(log_weights[k] - high);
    for (std::size_t k = 0; k < parts.size(); ++k) {
        const number share = std::exp(log_weights[k] - high) / total;
        result.z = result.z + share * parts[k].z;
        result.noise = result.noise + share * parts[k].noise;
    }
    return result;
}

} // namespace conditioning
