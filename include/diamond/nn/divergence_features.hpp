/// This file has the elementwise work of a divergence head, written once for all back ends: how the last row
/// of a network's output is read.
///
/// With pv, S and R as in nn/diamond_features.hpp, the Gaussian's mean divergence is sum_i log(R_i/S_i)/(r -
/// s), or its limit at r = s, and
///   m = sum_i log(R_i/S_i)/(r - s) + sign divisor l(s, r) F,  with l = log((1 - s + h)/(1 - r + h))/(r - s),
/// where F is the network's last row, so that F = 0 is the Gaussian's own divergence. l is the mean over [s,
/// r] of 1/(1 - tau + h), the rate at which a law with details of size h contracts at tau: F is therefore of
/// order 1 at all times, and the head need not learn a pole.
#pragma once

#include <cmath>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/nn/diamond_features.hpp>

namespace diamond {

/// Stands for the head of a network that gives the mean velocity alone: it has no further row.
struct no_head {
    /// The outputs of the network behind the d rows of the velocity: none.
    static constexpr index_t rows = 0;
};

/// Describes the head that gives the mean divergence m, one more row behind those of the velocity.
struct divergence_head {
    static constexpr index_t rows = 1; ///< The outputs of the network behind the d rows of the velocity: m.
    double divisor = 0.0; ///< is of order d, so that the head's numbers are of order 1; 0 stands for d itself
    double resolution = 0.1; ///< h > 0, the size of the finest details that matter
    double sign = 1.0;       ///< is 1 where the head's numbers are +div and -1 where they are -div

    /// Returns this head for dimension d, which takes the place of a divisor of 0. @throws
    /// std::invalid_argument for numbers out of range.
    [[nodiscard]] divergence_head of(index_t d) const {
        divergence_head result = *this;
        if (result.divisor == 0.0) result.divisor = static_cast<double>(d);
        require(result.divisor > 0.0 && std::isfinite(result.divisor) && resolution > 0.0 &&
                    std::isfinite(resolution) && (sign == 1.0 || sign == -1.0),
                [&] {
                    return "a divergence head with divisor " + digits_of(divisor) + ", resolution " +
                           digits_of(resolution) + " and sign " + digits_of(sign) +
                           ": the first two must be positive and finite, the sign 1 or -1";
                });
        return result;
    }
};

namespace detail {

/// Returns (log a - log b)/(a - b), which is 1/a where a = b, and its derivative as a and b move: atanh(q)/q
/// over the mean of a and b, with q = (a - b)/(a + b).
[[nodiscard]] DIAMOND_HD inline moving_number log_slope(double a, double b, double a_dot, double b_dot) {
    // Below this, five terms of the series are exact, and the closed form begins to cancel.
    constexpr double near = 0.02;
    const double mean = 0.5 * (a + b);
    if (!(mean > 0.0))
        return {0.0, 0.0}; // at the end of a posterior that is a point, nothing is left to contract
    const double q = 0.5 * (a - b) / mean, p = q * q;
    const bool series = std::abs(q) < near;
    const double f = series ? 1.0 + p * (1.0 / 3.0 + p * (1.0 / 5.0 + p * (1.0 / 7.0 + p / 9.0)))
                            : std::atanh(q) / q;
    const double f_dot = series ? q * (2.0 / 3.0 + p * (4.0 / 5.0 + p * (6.0 / 7.0 + p * 8.0 / 9.0)))
                                : (1.0 / (1.0 - p) - f) / q;
    const double mean_dot = 0.5 * (a_dot + b_dot), q_dot = (0.5 * (a_dot - b_dot) - q * mean_dot) / mean;
    return {f / mean, (f_dot * q_dot - f / mean * mean_dot) / mean};
}

/// Returns l(s, r) and its derivative as s and r move at the given speeds.
[[nodiscard]] DIAMOND_HD inline moving_number divergence_scale(double resolution, double s, double r,
                                                               double s_dot, double r_dot) {
    return log_slope(1.0 - s + resolution, 1.0 - r + resolution, -s_dot, -r_dot);
}
/// Returns the variance (divisor l(s, r))^2, in whose units the head's numbers are of order 1.
struct divergence_spread {
    double divisor, resolution;
    DIAMOND_HD double operator()(double s, double r) const {
        const double unit = divisor * divergence_scale(resolution, s, r, 0.0, 0.0).value;
        return unit * unit;
    }
};
/// Returns the share of one coordinate in the Gaussian's m, and its derivative: log R^2 - log S^2 = (r - s) N
/// log_slope(R^2, S^2), with N = (r + s) pv - (2 - r - s).
[[nodiscard]] DIAMOND_HD inline moving_number gaussian_divergence(const diamond_coordinate<>& c, double s_dot,
                                                                  double r_dot) {
    const double N = (c.r + c.s) * c.variance - ((1.0 - c.r) + (1.0 - c.s)),
                 N_dot = (r_dot + s_dot) * (c.variance + 1.0);
    const moving_number l = log_slope(c.R * c.R, c.S * c.S, 2.0 * r_dot * (c.r * c.variance - (1.0 - c.r)),
                                      2.0 * s_dot * (c.s * c.variance - (1.0 - c.s)));
    return {0.5 * N * l.value, 0.5 * (N_dot * l.value + N * l.speed)};
}

/// Replaces F, the last row of column j, by m; where F_dot has memory, it replaces F' by m'.
template <class View>
struct mean_divergence {
    static constexpr index_t relative_cost = 64;
    using real = typename View::value_type;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    divergence_head head;
    double s_dot, r_dot;
    View F, F_dot; ///< (d + 1) x N
    DIAMOND_HD void operator()(index_t j) const {
        const index_t d = F.rows() - divergence_head::rows;
        moving_number sum{0.0, 0.0};
        for (index_t i = 0; i < d; ++i) {
            const auto part = gaussian_divergence(gaussian.at(i, j), s_dot, r_dot);
            sum.value += part.value;
            sum.speed += part.speed;
        }
        const moving_number l = divergence_scale(head.resolution, gaussian.times(2, j), gaussian.times(3, j),
                                                 s_dot, r_dot);
        const double f = head.sign * head.divisor * static_cast<double>(F(d, j));
        if (F_dot.data()) {
            real& speed = F_dot(d, j);
            speed = static_cast<real>(sum.speed + l.speed * f +
                                      l.value * head.sign * head.divisor * static_cast<double>(speed));
        }
        F(d, j) = static_cast<real>(sum.value + l.value * f);
    }
};
/// Writes the cotangents of F and F', the last rows of column j, from those of m and m'; cotangent_dot and
/// out_dot have no memory where there is no m'.
template <class ConstView, class View>
struct pull_to_head {
    using real = typename View::value_type;
    batch_view<const double, typename View::context_type> times; ///< 4 x N, see fill_diamond_times
    divergence_head head;
    double s_dot, r_dot;
    ConstView cotangent, cotangent_dot; ///< (d + 1) x N
    View out, out_dot;                  ///< (d + 1) x N
    DIAMOND_HD void operator()(index_t j) const {
        const index_t d = cotangent.rows() - divergence_head::rows;
        const moving_number l = divergence_scale(head.resolution, times(2, j), times(3, j), s_dot, r_dot);
        const double unit = head.sign * head.divisor, k = static_cast<double>(cotangent(d, j));
        const double k_dot = cotangent_dot.data() ? static_cast<double>(cotangent_dot(d, j)) : 0.0;
        out(d, j) = static_cast<real>(unit * (l.value * k + l.speed * k_dot));
        if (cotangent_dot.data()) out_dot(d, j) = static_cast<real>(unit * l.value * k_dot);
    }
};

} // namespace detail
} // namespace diamond
