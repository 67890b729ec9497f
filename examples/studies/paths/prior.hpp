/// This header defines the law of paths that the study's network learns: three ways from a start, with smooth
/// deviations and a little roughness.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <Eigen/Dense>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace paths {

using diamond::index_t, diamond::philox, diamond::purpose, diamond::square;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;

inline constexpr index_t waypoints = 32, dimension = 2 * waypoints;
/// The deviation of each waypoint from its smooth path.
inline constexpr double roughness = 0.015;

/// The prior: a path is x_i, y_i, i = 1 ... 32, at s_i = i/33 of the way from (-1, 0):
///
///   x_i = 2 s_i - 1 + 0.12 f(s_i) + 0.015 e,   y_i = a sin(pi s_i) + 0.35 g(s_i) + 0.015 e',
///
/// with a = -0.6, 0, 0.6 by 0.35, 0.3, 0.35; f and g Gaussian processes of variance 1 and length 0.3 that are
/// known to be 0 at s = 0; e and e' standard normal. It is a Gaussian mixture of three parts.
class prior {
public:
    prior() {
        const auto s = [](index_t i) { return static_cast<double>(i + 1) / (waypoints + 1); };
        const auto kernel = [](double a, double b) { return std::exp(-0.5 * square((a - b) / 0.3)); };
        Eigen::MatrixXd smooth(waypoints, waypoints);
        for (index_t i = 0; i < waypoints; ++i)
            for (index_t j = 0; j < waypoints; ++j)
                smooth(i, j) = kernel(s(i), s(j)) - kernel(s(i), 0.0) * kernel(0.0, s(j));
        const Eigen::MatrixXd rough = square(roughness) * Eigen::MatrixXd::Identity(waypoints, waypoints);
        const double deviation[] = {0.12, 0.35};
        factor_ = Eigen::MatrixXf::Zero(dimension, dimension);
        means_ = Eigen::MatrixXf::Zero(dimension, 3);
        for (index_t c = 0; c < 2; ++c) {
            const Eigen::MatrixXd covariance = square(deviation[c]) * smooth + rough;
            const Eigen::MatrixXd l = Eigen::LLT<Eigen::MatrixXd>(covariance).matrixL();
            for (index_t i = 0; i < waypoints; ++i)
                for (index_t j = 0; j < waypoints; ++j)
                    factor_(2 * i + c, 2 * j + c) = static_cast<float>(l(i, j));
        }
        for (index_t part = 0; part < 3; ++part)
            for (index_t i = 0; i < waypoints; ++i) {
                means_(2 * i, part) = static_cast<float>(2.0 * s(i) - 1.0);
                means_(2 * i + 1, part) = static_cast<float>(0.6 * static_cast<double>(part - 1) *
                                                             std::sin(3.141592653589793 * s(i)));
            }
    }

    /// Draws n paths, 64 x n.
    [[nodiscard]] batch draw(const context& where, philox rng, index_t n) const {
        batch normal(where, dimension, n), paths(where, dimension, n);
        diamond::draw_normal(rng.stream(purpose::data), normal.mutable_view());
        Eigen::Map<Eigen::MatrixXf> to(paths.data(), dimension, n);
        to.noalias() = factor_ * Eigen::Map<const Eigen::MatrixXf>(normal.data(), dimension, n);
        const auto choice = rng.stream(purpose::data, 1);
        for (index_t j = 0; j < n; ++j) {
            const double u = choice.uniform(j);
            to.col(j) += means_.col(u < 0.35 ? 0 : u < 0.65 ? 1 : 2);
        }
        return paths;
    }

private:
    Eigen::MatrixXf factor_; ///< the Cholesky factor of a part's covariance
    Eigen::MatrixXf means_;  ///< of the parts, 64 x 3
};

/// Returns the root mean square of a path's second differences, of which most is roughness.
inline double roughness_of(const float* path) {
    double sum = 0.0;
    for (index_t i = 1; i + 1 < waypoints; ++i)
        for (index_t c = 0; c < 2; ++c)
            sum += square(static_cast<double>(path[2 * (i - 1) + c]) -
                          2.0 * static_cast<double>(path[2 * i + c]) +
                          static_cast<double>(path[2 * (i + 1) + c]));
    return std::sqrt(sum / static_cast<double>(2 * (waypoints - 2)));
}

} // namespace paths
