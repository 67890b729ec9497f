/// The elementwise work of a divergence head, once for all back ends: what a network's last row means.
///
/// With pv, S and R as in nn/diamond_features.hpp, the Gaussian's mean divergence is sum_i log(R_i/S_i)/(r - s), at r = s its limit, and
///   m = sum_i log(R_i/S_i)/(r - s) + sign divisor l(s, r) F,   l = log((1 - s + h)/(1 - r + h))/(r - s),
/// F the network's last row: F = 0 is the Gaussian's own divergence. l is the mean over [s, r] of 1/(1 - tau + h), which is how fast a law with
/// details of size h contracts at tau: F is of order 1 at all times, and the head need not learn a pole.
#pragma once

#include <cmath>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/nn/diamond_features.hpp>

namespace diamond {

/// No further row: the network is a velocity's.
struct no_head {
    static constexpr index_t rows = 0;
};

/// One more row behind the velocity's, the mean divergence m.
struct divergence_head {
    static constexpr index_t rows = 1;
    double divisor    = 0.0; ///< of order d, so that the head's numbers are of order 1; 0: d itself
    double resolution = 0.1; ///< h, the size of the finest details that matter
    double sign       = 1.0; ///< 1 or -1: whether the head's numbers are +div or -div

    /// With d in place of a divisor of 0. @throws std::invalid_argument for numbers out of range.
    [[nodiscard]] divergence_head of(index_t d) const {
        divergence_head result = *this;
        if (result.divisor == 0.0) result.divisor = static_cast<double>(d);
        require(result.divisor > 0.0 && std::isfinite(result.divisor) && resolution > 0.0 && std::isfinite(resolution) && (sign == 1.0 || sign == -1.0), [&] {
            return "a divergence head with divisor " + digits_of(divisor) + ", resolution " + digits_of(resolution) + " and sign " + digits_of(sign) +
                   ": the first two must be positive and finite, the sign 1 or -1";
        });
        return result;
    }
};

namespace detail {

/// A number and its derivative.
struct moving_number {
    double value, speed;
};
/// (log a - log b)/(a - b), 1/a where they meet, and its derivative as a and b move: atanh(q)/q over their mean, q = (a - b)/(a + b).
[[nodiscard]] DIAMOND_HD inline moving_number log_slope(double a, double b, double a_dot, double b_dot) {
    constexpr double near = 0.02; // where five terms of the series are exact, and the closed form's cancellation begins
    const double mean = 0.5 * (a + b);
    if (!(mean > 0.0)) return {0.0, 0.0}; // a posterior that is a point, at its end: nothing is left to contract
    const double q = 0.5 * (a - b) / mean, p = q * q;
    const bool series = std::abs(q) < near;
    const double f    = series ? 1.0 + p * (1.0 / 3.0 + p * (1.0 / 5.0 + p * (1.0 / 7.0 + p / 9.0))) : std::atanh(q) / q;
    const double f_dot = series ? q * (2.0 / 3.0 + p * (4.0 / 5.0 + p * (6.0 / 7.0 + p * 8.0 / 9.0))) : (1.0 / (1.0 - p) - f) / q;
    const double mean_dot = 0.5 * (a_dot + b_dot), q_dot = (0.5 * (a_dot - b_dot) - q * mean_dot) / mean;
    return {f / mean, (f_dot * q_dot - f / mean * mean_dot) / mean};
}

/// l(s, r).
[[nodiscard]] DIAMOND_HD inline moving_number divergence_scale(double resolution, double s, double r, double s_dot, double r_dot) {
    return log_slope(1.0 - s + resolution, 1.0 - r + resolution, -s_dot, -r_dot);
}
/// (divisor l)^2: the head's numbers are of order 1 in its units.
struct divergence_spread {
    double divisor, resolution;
    DIAMOND_HD double operator()(double s, double r) const {
        const double unit = divisor * divergence_scale(resolution, s, r, 0.0, 0.0).value;
        return unit * unit;
    }
};
/// A coordinate's part of the Gaussian's m: log R^2 - log S^2 = (r - s) N l(R^2, S^2), N = (r + s) pv - (2 - r - s).
[[nodiscard]] DIAMOND_HD inline moving_number gaussian_divergence(const diamond_coordinate& c, double s_dot, double r_dot) {
    const double N = (c.r + c.s) * c.variance - ((1.0 - c.r) + (1.0 - c.s)), N_dot = (r_dot + s_dot) * (c.variance + 1.0);
    const moving_number l = log_slope(c.R * c.R, c.S * c.S, 2.0 * r_dot * (c.r * c.variance - (1.0 - c.r)), 2.0 * s_dot * (c.s * c.variance - (1.0 - c.s)));
    return {0.5 * N * l.value, 0.5 * (N_dot * l.value + N * l.speed)};
}

/// m in place of F, the last row of a column, and m' in place of F' where there is one.
template <class Real>
struct mean_divergence : diamond_functor<Real> {
    static constexpr index_t relative_cost = 64;
    divergence_head head;
    double s_dot, r_dot;
    Real *F, *F_dot;
    DIAMOND_HD void operator()(index_t j) const {
        moving_number sum{0.0, 0.0};
        for (index_t i = 0; i < this->dimension; ++i) {
            const auto part = gaussian_divergence(this->coordinate(i, j), s_dot, r_dot);
            sum.value += part.value;
            sum.speed += part.speed;
        }
        const index_t at      = this->dimension + this->outputs * j;
        const moving_number l = this->scale(j);
        const double f        = head.sign * head.divisor * static_cast<double>(F[at]);
        if (F_dot) F_dot[at] = static_cast<Real>(sum.speed + l.speed * f + l.value * head.sign * head.divisor * static_cast<double>(F_dot[at]));
        F[at] = static_cast<Real>(sum.value + l.value * f);
    }
    [[nodiscard]] DIAMOND_HD moving_number scale(index_t j) const {
        const double* row = this->table + 4 * j;
        return divergence_scale(head.resolution, row[2], row[3], s_dot, r_dot);
    }
};
/// The cotangents of F and F' from those of m and m'; the latter may be null.
template <class Real>
struct pull_to_head {
    const double* table;
    divergence_head head;
    index_t dimension, outputs;
    double s_dot, r_dot;
    const Real *cotangent, *cotangent_dot;
    Real *out, *out_dot;
    DIAMOND_HD void operator()(index_t j) const {
        const double* row     = table + 4 * j;
        const moving_number l = divergence_scale(head.resolution, row[2], row[3], s_dot, r_dot);
        const index_t at      = dimension + outputs * j;
        const double unit = head.sign * head.divisor, k = static_cast<double>(cotangent[at]), k_dot = cotangent_dot ? static_cast<double>(cotangent_dot[at]) : 0.0;
        out[at] = static_cast<Real>(unit * (l.value * k + l.speed * k_dot));
        if (cotangent_dot) out_dot[at] = static_cast<Real>(unit * l.value * k_dot);
    }
};

} // namespace detail
} // namespace diamond
