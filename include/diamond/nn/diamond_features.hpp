/// This file has the elementwise work of a preconditioned Diamond network, written once for all back ends; i
/// is a coordinate of the frame and j a column.
///
/// Let pm and pv be the posterior mean and variance of the frame's Gaussian N(mu, C) given x_t, S = sqrt(s^2
/// pv + (1 - s)^2), and R = sqrt(r^2 pv + (1 - r)^2). The network is
///   e = (xbar - s pm)/S,
///   g = (pm + (s pv/S) e - mu)/sqrt(C),
///   v = pm + k e + sqrt(pv) F(e, g, times, label), with k = ((r + s) pv - (2 - r - s))/(R + S),
/// so that F = 0 is the Gaussian's own Diamond map: X_{s,r} = xbar + (r - s) v = r pm + R e + (r - s)
/// sqrt(pv) F. See (eq. frame-velocity).
///
/// g is the Gaussian's posterior mean given both x_t and xbar_s, which is a function of their sufficient
/// statistic. GLASS's velocity depends, beside x_t and xbar_s themselves, only on this statistic and on t*,
/// the time whose snr is that of the pair. The network is given both, so that one denoiser serves every pair
/// (t, s) of the diagonal and the network need not find the statistic for each.
#pragma once

#include <cmath>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/nn/rows.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond::detail {

/// The Fourier features of a time tau are 2 tau - 1, and sine and cosine of pi tau, 2 pi tau, 4 pi tau, ...
inline constexpr index_t time_frequencies = 4;
inline constexpr index_t time_features = 1 + 2 * time_frequencies;
/// The times that a network is given are t, s, r and the combined times of (t, s) and of (t, r).
inline constexpr index_t network_times = 5;

/// Writes alpha(t_j), sigma(t_j), s_j and r_j into column j of a 4 x N table.
template <class Schedule, class View>
struct fill_diamond_times {
    Schedule schedule;
    time_view t, s, r;
    View to;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_at(schedule, t[j]);
        to(0, j) = level.alpha;
        to(1, j) = level.sigma;
        to(2, j) = s[j];
        to(3, j) = r[j];
    }
};

/// Returns the posterior variance pv of coordinate i at the outer time t: sigma^2 C_i/(sigma^2 + alpha^2
/// C_i).
template <class Schedule, class View>
struct posterior_spread {
    Schedule schedule;
    View variance; ///< C, d x 1
    DIAMOND_HD double operator()(index_t i, double t) const {
        const noise_level level = level_at(schedule, t);
        const double noise = level.sigma * level.sigma;
        return noise * variance[i] / (noise + level.alpha * level.alpha * variance[i]);
    }
};

/// Holds what the frame's Gaussian gives for one coordinate of a column, whose times are a column {alpha,
/// sigma, s, r} of the table.
struct diamond_coordinate {
    double mu, C;                 // the Gaussian's mean and variance
    double mean, variance, slope; // pm, pv and d pm/d x_t
    double s, r, S, R;

    DIAMOND_HD diamond_coordinate(column_view<const double> times, double centre, double spread, double x_t)
        : mu(centre), C(spread), s(times[2]), r(times[3]) {
        const double alpha = times[0], noise = times[1] * times[1], total = noise + alpha * alpha * C;
        mean = (noise * mu + alpha * C * x_t) / total;
        variance = noise * C / total;
        slope = alpha * C / total;
        S = std::sqrt(s * s * variance + (1.0 - s) * (1.0 - s));
        R = std::sqrt(r * r * variance + (1.0 - r) * (1.0 - r));
    }
    /// Returns 1/S, and 0 where S = 0, at s = 1 of a posterior that is a point, for nothing is left there to
    /// scale.
    [[nodiscard]] DIAMOND_HD double inverse() const { return S > 0.0 ? 1.0 / S : 0.0; }
    [[nodiscard]] DIAMOND_HD double e(double xbar) const { return (xbar - s * mean) * inverse(); }
    [[nodiscard]] DIAMOND_HD double k() const {
        return S + R > 0.0 ? ((r + s) * variance - ((1.0 - r) + (1.0 - s))) / (R + S) : 0.0;
    }
    /// Returns sqrt(C) g + mu, the Gaussian's posterior mean given x_t and xbar_s.
    [[nodiscard]] DIAMOND_HD double both(double e) const { return mean + s * variance * inverse() * e; }
    /// The following are the derivatives of S, R, e, both and k where s, r and xbar move at the given speeds.
    [[nodiscard]] DIAMOND_HD double S_dot(double s_dot) const {
        return s_dot * (s * variance - (1.0 - s)) * inverse();
    }
    [[nodiscard]] DIAMOND_HD double R_dot(double r_dot) const {
        return R > 0.0 ? r_dot * (r * variance - (1.0 - r)) / R : 0.0;
    }
    [[nodiscard]] DIAMOND_HD double e_dot(double xbar, double xbar_dot, double s_dot) const {
        return (xbar_dot - s_dot * mean - e(xbar) * S_dot(s_dot)) * inverse();
    }
    [[nodiscard]] DIAMOND_HD double both_dot(double e, double e_dot, double s_dot) const {
        return variance * inverse() * ((s_dot - s * S_dot(s_dot) * inverse()) * e + s * e_dot);
    }
    [[nodiscard]] DIAMOND_HD double k_dot(double s_dot, double r_dot) const {
        return S + R > 0.0
                 ? ((r_dot + s_dot) * (variance + 1.0) - k() * (R_dot(r_dot) + S_dot(s_dot))) / (R + S)
                 : 0.0;
    }
};

/// An expression over a batch x_t, whose element (i, j) is a diamond_coordinate.
template <class Real, class Context>
struct gaussian_coordinates {
    using is_expression = void;
    batch_view<const double, Context> mean{nullptr, 0, 0, nullptr}, variance = mean; ///< mu and C, d x 1
    batch_view<const double, Context> times = mean;              ///< 4 x N, see fill_diamond_times
    batch_view<const Real, Context> x_t{nullptr, 0, 0, nullptr}; ///< d x N
    extents shape() const { return {x_t.rows(), x_t.columns()}; }
    DIAMOND_HD diamond_coordinate operator()(index_t i, index_t j) const {
        return {times.column(j), mean[i], variance[i], static_cast<double>(x_t(i, j))};
    }
};

/// Returns e and g, the network's first inputs.
[[nodiscard]] DIAMOND_HD inline numbers<2> state_features(const diamond_coordinate& c, double xbar) {
    const double e = c.e(xbar);
    return {{e, (c.both(e) - c.mu) / std::sqrt(c.C)}};
}
/// Writes the derivatives of e and g, where xbar, s and r move at the given speeds, into the first rows of
/// the tangents of the network's inputs.
template <class ConstView, class View>
struct fill_state_tangents {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 8;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    ConstView xbar;                                                   ///< d x N
    diamond_speeds<real> speeds;
    View tangents;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t d = xbar.rows();
        const auto c = gaussian(i, j);
        const double xbar_dot = speeds.xbar ? static_cast<double>(speeds.xbar[i + d * j]) : 0.0;
        const double e_dot = c.e_dot(static_cast<double>(xbar(i, j)), xbar_dot, speeds.s);
        tangents(i, j) = static_cast<real>(e_dot);
        tangents(d + i,
                 j) = static_cast<real>(c.both_dot(c.e(static_cast<double>(xbar(i, j))), e_dot, speeds.s) /
                                        std::sqrt(gaussian.variance[i]));
    }
};
/// Returns v, given the network's output F.
[[nodiscard]] DIAMOND_HD inline double mean_velocity(const diamond_coordinate& c, double xbar, double F) {
    return c.mean + c.k() * c.e(xbar) + std::sqrt(c.variance) * F;
}
/// Returns the derivative of v, given that of F, where xbar, s and r move at the given speeds.
[[nodiscard]] DIAMOND_HD inline double mean_velocity_tangent(const diamond_coordinate& c, double xbar,
                                                             double xbar_dot, double s_dot, double r_dot,
                                                             double F_dot) {
    const double e_dot = c.e_dot(xbar, xbar_dot, s_dot);
    return c.k_dot(s_dot, r_dot) * c.e(xbar) + c.k() * e_dot + std::sqrt(c.variance) * F_dot;
}
/// Returns the cotangent of F, given that of v: it is sqrt(pv) times that. The cotangent of F' is that of v'
/// times this number, too.
[[nodiscard]] DIAMOND_HD inline double network_cotangent(const diamond_coordinate& c, double cotangent) {
    return std::sqrt(c.variance) * cotangent;
}
/// Returns the cotangents of xbar and x_t, given those of v and of the network's inputs e and g.
[[nodiscard]] DIAMOND_HD inline numbers<2> state_cotangents(const diamond_coordinate& c, double v,
                                                            double of_e, double of_g) {
    const double g = of_g / std::sqrt(c.C);
    const double e = c.k() * v + of_e + g * c.s * c.variance * c.inverse();
    return {{e * c.inverse(), (v - e * c.s * c.inverse() + g) * c.slope}};
}

/// Holds a number and its derivative.
struct moving_number {
    double value, speed;
};
/// Returns t*, the time at which the linear schedule has the snr alpha^2/sigma^2 + s^2/(1 - s)^2, and its
/// derivative: h/(h + sigma (1 - s)) with h = hypot(alpha (1 - s), sigma s).
[[nodiscard]] DIAMOND_HD inline moving_number combined_time(double alpha, double sigma, double s,
                                                            double s_dot) {
    const double h = std::hypot(alpha * (1.0 - s), sigma * s), q = sigma * (1.0 - s);
    if (!(h + q > 0.0)) return {1.0, 0.0};
    const double h_dot = s_dot * (h > 0.0 ? (sigma * sigma * s - alpha * alpha * (1.0 - s)) / h : sigma),
                 q_dot = -s_dot * sigma;
    return {h / (h + q), (h_dot * q - h * q_dot) / ((h + q) * (h + q))};
}

/// Writes the time features and the label of column j into the rows of the network's inputs behind e and g,
/// and the derivatives of these features into `tangents` where it has memory. A label is a row for each
/// class, 1 or 0; the last row is that of no class.
template <class View>
struct fill_conditions {
    static constexpr index_t relative_cost = 64;
    time_view t;
    batch_view<const double, typename View::context_type> times; ///< 4 x N, see fill_diamond_times
    labels label;
    double s_dot, r_dot;
    View inputs, tangents;
    index_t first; ///< the row of the first feature of t

    DIAMOND_HD void operator()(index_t j) const {
        using real = typename View::value_type;
        real* to = inputs.column(j).begin() + first;
        real* dot = tangents.data() ? tangents.column(j).begin() + first : nullptr;
        const auto row = times.column(j);
        const moving_number time[network_times] = {{t[j], 0.0},
                                                   {row[2], s_dot},
                                                   {row[3], r_dot},
                                                   combined_time(row[0], row[1], row[2], s_dot),
                                                   combined_time(row[0], row[1], row[3], r_dot)};
        for (const auto& [tau, v] : time) {
            *to++ = static_cast<real>(2.0 * tau - 1.0);
            if (dot) *dot++ = static_cast<real>(2.0 * v);
            double sine = std::sin(pi * tau), cosine = std::cos(pi * tau), frequency = pi;
            for (index_t f = 0; f < time_frequencies; ++f) {
                *to++ = static_cast<real>(sine);
                *to++ = static_cast<real>(cosine);
                if (dot) {
                    *dot++ = static_cast<real>(frequency * cosine * v);
                    *dot++ = static_cast<real>(-frequency * sine * v);
                }
                const double twice = 2.0 * sine * cosine;
                cosine = 1.0 - 2.0 * sine * sine;
                sine = twice;
                frequency *= 2.0;
            }
        }
        const index_t classes = inputs.rows() - first - network_times * time_features;
        for (index_t c = 0; c < classes; ++c) {
            const bool mine = label[j] == static_cast<std::int32_t>(c) ||
                              (label[j] == labels::unconditional && c + 1 == classes);
            *to++ = static_cast<real>(mine ? 1.0 : 0.0);
            if (dot) *dot++ = real{0};
        }
    }
};

} // namespace diamond::detail
