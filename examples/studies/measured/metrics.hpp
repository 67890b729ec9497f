/// This header measures weighted particles against the exact posterior.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "problem.hpp"

namespace measured {

/// Particles with weights that sum to 1.
struct weighted_particles {
    Eigen::MatrixXd x;      ///< d x n
    Eigen::VectorXd weight; ///< n
};
inline weighted_particles equal_weights(Eigen::MatrixXd x) {
    const index_t n = x.cols();
    return {std::move(x), Eigen::VectorXd::Constant(n, 1.0 / static_cast<double>(n))};
}

/// |sum_j w_j x_j - E[z | y]|: of the particles themselves, with no denoiser and no control variate.
inline double mean_error(const weighted_particles& of, const problem& p) {
    return (of.x * of.weight - p.posterior_mean).norm();
}
/// The maximum mean discrepancy to exact draws y, by exp(-|x - y|^2/(2 h^2)), h^2 half of the mean square
/// distance of two exact draws.
inline double maximum_mean_discrepancy(const weighted_particles& of, const Eigen::MatrixXd& exact) {
    const Eigen::VectorXd centre = exact.rowwise().mean();
    const double h2 = (exact.colwise() - centre).squaredNorm() / static_cast<double>(exact.cols());
    // sum_ij u_i v_j k(a_i, b_j), in blocks of columns
    const auto mean_kernel = [&](const Eigen::MatrixXd& a, const Eigen::VectorXd& u, const Eigen::MatrixXd& b,
                                 const Eigen::VectorXd& v) {
        constexpr index_t block = 512;
        double sum = 0.0;
        for (index_t first = 0; first < b.cols(); first += block) {
            const index_t n = std::min(block, b.cols() - first);
            Eigen::MatrixXd squares = -2.0 * a.transpose() * b.middleCols(first, n);
            squares.colwise() += a.colwise().squaredNorm().transpose();
            squares.rowwise() += b.middleCols(first, n).colwise().squaredNorm();
            sum += u.dot((-0.5 / h2 * squares.array()).exp().matrix() * v.segment(first, n));
        }
        return sum;
    };
    const auto even = equal_weights(exact);
    const double square_of_it = mean_kernel(of.x, of.weight, of.x, of.weight) -
                                2.0 * mean_kernel(of.x, of.weight, exact, even.weight) +
                                mean_kernel(exact, even.weight, exact, even.weight);
    return std::sqrt(std::max(square_of_it, 0.0));
}
/// The root mean square over 64 directions of the Wasserstein-2 distance between projections, of weighted
/// particles and exact draws.
inline double sliced_wasserstein(const weighted_particles& of, const Eigen::MatrixXd& exact) {
    constexpr index_t directions = 64;
    const auto sorted = [](const Eigen::VectorXd& at) {
        std::vector<index_t> order(static_cast<std::size_t>(at.size()));
        std::iota(order.begin(), order.end(), index_t{0});
        std::sort(order.begin(), order.end(), [&](index_t a, index_t b) { return at(a) < at(b); });
        return order;
    };
    const auto stream = philox{271828}.stream(purpose::user);
    double total = 0.0;
    for (index_t k = 0; k < directions; ++k) {
        Eigen::VectorXd direction(exact.rows());
        for (index_t i = 0; i < direction.size(); ++i)
            direction(i) = std::sqrt(-2.0 * std::log(stream.uniform(2 * i, k))) *
                           std::cos(6.283185307179586 * stream.uniform(2 * i + 1, k));
        direction.normalize();
        const Eigen::VectorXd a = of.x.transpose() * direction, b = exact.transpose() * direction;
        const auto first = sorted(a), second = sorted(b);
        // Quantile by quantile: what is left of the two masses that come next is moved.
        const double even = 1.0 / static_cast<double>(b.size());
        std::size_t i = 0, j = 0;
        double left = of.weight(first[0]), right = even;
        while (i < first.size() && j < second.size()) {
            const double mass = std::min(left, right);
            total += mass * square(a(first[i]) - b(second[j])) / static_cast<double>(directions);
            left -= mass;
            right -= mass;
            if (left <= 0.0 && ++i < first.size()) left = of.weight(first[i]);
            if (right <= 0.0 && ++j < second.size()) right = even;
        }
    }
    return std::sqrt(total);
}

} // namespace measured
