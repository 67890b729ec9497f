/// The elementwise work of a preconditioned Diamond network, once for all back ends. i is a coordinate of the frame, j a column.
///
/// With pm and pv the posterior mean and variance of the frame's Gaussian given x_t, S = sqrt(s^2 pv + (1 - s)^2), R the same at r:
///   e = (xbar - s pm)/S,  g = (pm + (s pv/S) e - mu)/sqrt(C),  v = pm + k e + sqrt(pv) F(e, g, times, label),  k = ((r + s) pv - (2 - r - s))/(R + S),
/// so that F = 0 is the Gaussian's own Diamond map: X_{s,r} = xbar + (r - s) v = r pm + R e + (r - s) sqrt(pv) F. Section 5 of the spec.
/// g is the Gaussian's posterior mean given both x_t and xbar_s, their sufficient statistic; with t*, the time whose snr is that of the pair,
/// it is all that GLASS's velocity depends on beside x_t and xbar_s themselves. Given it, one denoiser serves every pair (t, s) of the
/// diagonal, and the network need not find the statistic for each.
#pragma once

#include <cmath>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond::detail {

/// Fourier features of a time: itself, and sine and cosine of pi tau, 2 pi tau, ...
inline constexpr index_t time_frequencies = 4;
inline constexpr index_t time_features    = 1 + 2 * time_frequencies;
inline constexpr index_t network_times    = 5;

/// alpha and sigma of t, then s and r: one row of four a column.
template <class Schedule>
struct fill_diamond_times {
    Schedule schedule;
    time_view t, s, r;
    double* table;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_at(schedule, t[j]);
        double* row             = table + 4 * j;
        row[0]                  = level.alpha;
        row[1]                  = level.sigma;
        row[2]                  = s[j];
        row[3]                  = r[j];
    }
};

/// pv_i(t).
template <class Schedule>
struct posterior_spread {
    Schedule schedule;
    const double* variance;
    DIAMOND_HD double operator()(index_t i, double t) const {
        const noise_level level = level_at(schedule, t);
        const double noise      = level.sigma * level.sigma;
        return noise * variance[i] / (noise + level.alpha * level.alpha * variance[i]);
    }
};

/// What a coordinate of a column needs of the Gaussian.
struct diamond_coordinate {
    double mean, variance, slope, s, r, S, R; // pm, pv, d pm/d x_t

    DIAMOND_HD diamond_coordinate(const double* row, double mu, double c, double x_t) : s(row[2]), r(row[3]) {
        const double alpha = row[0], noise = row[1] * row[1], total = noise + alpha * alpha * c;
        mean     = (noise * mu + alpha * c * x_t) / total;
        variance = noise * c / total;
        slope    = alpha * c / total;
        S        = std::sqrt(s * s * variance + (1.0 - s) * (1.0 - s));
        R        = std::sqrt(r * r * variance + (1.0 - r) * (1.0 - r));
    }
    /// 1/S; 0 at s = 1 of a posterior that is a point, where nothing is left to scale.
    [[nodiscard]] DIAMOND_HD double inverse() const { return S > 0.0 ? 1.0 / S : 0.0; }
    [[nodiscard]] DIAMOND_HD double e(double xbar) const { return (xbar - s * mean) * inverse(); }
    [[nodiscard]] DIAMOND_HD double k() const { return S + R > 0.0 ? ((r + s) * variance - ((1.0 - r) + (1.0 - s))) / (R + S) : 0.0; }
    /// sqrt(C) g + mu, the mean given xbar_s, too.
    [[nodiscard]] DIAMOND_HD double both(double e) const { return mean + s * variance * inverse() * e; }
    /// Derivatives of S, R, e, both and k as s, r and xbar move at the given speeds.
    [[nodiscard]] DIAMOND_HD double S_dot(double s_dot) const { return s_dot * (s * variance - (1.0 - s)) * inverse(); }
    [[nodiscard]] DIAMOND_HD double R_dot(double r_dot) const { return R > 0.0 ? r_dot * (r * variance - (1.0 - r)) / R : 0.0; }
    [[nodiscard]] DIAMOND_HD double e_dot(double xbar, double xbar_dot, double s_dot) const {
        return (xbar_dot - s_dot * mean - e(xbar) * S_dot(s_dot)) * inverse();
    }
    [[nodiscard]] DIAMOND_HD double both_dot(double e, double e_dot, double s_dot) const {
        return variance * inverse() * ((s_dot - s * S_dot(s_dot) * inverse()) * e + s * e_dot);
    }
    [[nodiscard]] DIAMOND_HD double k_dot(double s_dot, double r_dot) const {
        return S + R > 0.0 ? ((r_dot + s_dot) * (variance + 1.0) - k() * (R_dot(r_dot) + S_dot(s_dot))) / (R + S) : 0.0;
    }
};

template <class Real>
struct diamond_functor {
    static constexpr index_t relative_cost = 8;
    const double *mean, *variance, *table; // of the frame, and of the times
    const Real *xbar, *x_t;
    index_t dimension, outputs; // rows of the states, and of what the network gives

    [[nodiscard]] DIAMOND_HD diamond_coordinate coordinate(index_t i, index_t j) const {
        return {table + 4 * j, mean[i], variance[i], static_cast<double>(x_t[i + dimension * j])};
    }
    [[nodiscard]] DIAMOND_HD double at(index_t i, index_t j) const { return static_cast<double>(xbar[i + dimension * j]); }
};

/// e and g into the first rows of the network's inputs.
template <class Real>
struct fill_states : diamond_functor<Real> {
    Real* inputs;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto c                                  = this->coordinate(i, j);
        const double e                         = c.e(this->at(i, j));
        inputs[i + rows * j]                   = static_cast<Real>(e);
        inputs[this->dimension + i + rows * j] = static_cast<Real>((c.both(e) - this->mean[i]) / std::sqrt(this->variance[i]));
    }
};
template <class Real>
struct fill_state_tangents : diamond_functor<Real> {
    diamond_speeds<Real> speeds;
    Real* tangents;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto c                             = this->coordinate(i, j);
        const double xbar_dot                    = speeds.xbar ? static_cast<double>(speeds.xbar[i + this->dimension * j]) : 0.0;
        const double e_dot                       = c.e_dot(this->at(i, j), xbar_dot, speeds.s);
        tangents[i + rows * j]                   = static_cast<Real>(e_dot);
        tangents[this->dimension + i + rows * j] = static_cast<Real>(c.both_dot(c.e(this->at(i, j)), e_dot, speeds.s) / std::sqrt(this->variance[i]));
    }
};

/// A time and its derivative.
struct moving_time {
    double value, speed;
};
/// t*, where the snr is alpha^2/sigma^2 + s^2/(1 - s)^2 on the linear schedule: h/(h + sigma (1 - s)), h = hypot(alpha (1 - s), sigma s).
[[nodiscard]] DIAMOND_HD inline moving_time combined_time(double alpha, double sigma, double s, double s_dot) {
    const double h = std::hypot(alpha * (1.0 - s), sigma * s), q = sigma * (1.0 - s);
    if (!(h + q > 0.0)) return {1.0, 0.0};
    const double h_dot = s_dot * (h > 0.0 ? (sigma * sigma * s - alpha * alpha * (1.0 - s)) / h : sigma), q_dot = -s_dot * sigma;
    return {h / (h + q), (h_dot * q - h * q_dot) / ((h + q) * (h + q))};
}

/// Time features and label into the rows behind e and g; the tangents of the features where asked for. The times are t, s, r and the joint
/// ones of (t, s) and (t, r).
template <class Real>
struct fill_conditions {
    static constexpr index_t relative_cost = 64;
    time_view t;
    const double* table;
    labels label;
    double s_dot, r_dot;
    Real *inputs, *tangents;
    index_t first, rows; // the first row is t's

    DIAMOND_HD void operator()(index_t j) const {
        Real* to          = inputs + first + rows * j;
        Real* dot         = tangents ? tangents + first + rows * j : nullptr;
        const double* row = table + 4 * j;
        const moving_time time[network_times] = {{t[j], 0.0}, {row[2], s_dot}, {row[3], r_dot}, combined_time(row[0], row[1], row[2], s_dot), combined_time(row[0], row[1], row[3], r_dot)};
        for (const auto& [tau, v] : time) {
            *to++ = static_cast<Real>(2.0 * tau - 1.0);
            if (dot) *dot++ = static_cast<Real>(2.0 * v);
            double sine = std::sin(pi * tau), cosine = std::cos(pi * tau), frequency = pi;
            for (index_t f = 0; f < time_frequencies; ++f) {
                *to++ = static_cast<Real>(sine);
                *to++ = static_cast<Real>(cosine);
                if (dot) {
                    *dot++ = static_cast<Real>(frequency * cosine * v);
                    *dot++ = static_cast<Real>(-frequency * sine * v);
                }
                const double twice = 2.0 * sine * cosine;
                cosine             = 1.0 - 2.0 * sine * sine;
                sine               = twice;
                frequency *= 2.0;
            }
        }
        const index_t classes = rows - first - network_times * time_features; // the empty label is the last
        for (index_t c = 0; c < classes; ++c) {
            const bool mine = label[j] == static_cast<std::int32_t>(c) || (label[j] == labels::unconditional && c + 1 == classes);
            *to++           = static_cast<Real>(mine ? 1.0 : 0.0);
            if (dot) *dot++ = Real{0};
        }
    }
};

/// v in place of F.
template <class Real>
struct mean_velocity : diamond_functor<Real> {
    Real* F;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto c = this->coordinate(i, j);
        Real& value  = F[i + this->outputs * j];
        value        = static_cast<Real>(c.mean + c.k() * c.e(this->at(i, j)) + std::sqrt(c.variance) * static_cast<double>(value));
    }
};
/// v' in place of F'.
template <class Real>
struct mean_velocity_tangent : diamond_functor<Real> {
    diamond_speeds<Real> speeds;
    Real* F_dot;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto c          = this->coordinate(i, j);
        const double xbar_dot = speeds.xbar ? static_cast<double>(speeds.xbar[i + this->dimension * j]) : 0.0;
        const double e_dot    = c.e_dot(this->at(i, j), xbar_dot, speeds.s);
        Real& value           = F_dot[i + this->outputs * j];
        value = static_cast<Real>(c.k_dot(speeds.s, speeds.r) * c.e(this->at(i, j)) + c.k() * e_dot + std::sqrt(c.variance) * static_cast<double>(value));
    }
};
/// sqrt(pv) times a cotangent of v: that of F. The same holds for tangents.
template <class Real>
struct pull_to_network : diamond_functor<Real> {
    const Real* cotangent;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + this->outputs * j;
        out[at]          = static_cast<Real>(std::sqrt(this->coordinate(i, j).variance) * static_cast<double>(cotangent[at]));
    }
};
/// The cotangents of xbar and x_t from those of v and of the network's inputs.
template <class Real>
struct pull_to_states : diamond_functor<Real> {
    const Real *cotangent, *inputs;
    index_t rows;
    Real *out_xbar, *out_x_t;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto c     = this->coordinate(i, j);
        const index_t at = i + this->dimension * j;
        const double v = static_cast<double>(cotangent[i + this->outputs * j]), g = static_cast<double>(inputs[this->dimension + i + rows * j]) / std::sqrt(this->variance[i]);
        const double e = c.k() * v + static_cast<double>(inputs[i + rows * j]) + g * c.s * c.variance * c.inverse();
        out_xbar[at]   = static_cast<Real>(e * c.inverse());
        out_x_t[at]    = static_cast<Real>((v - e * c.s * c.inverse() + g) * c.slope);
    }
};

} // namespace diamond::detail
