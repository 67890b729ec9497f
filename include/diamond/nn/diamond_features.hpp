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
#include <diamond/core/packed.hpp>
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

/// Holds what the frame's Gaussian gives for coordinates of a column, whose outer time has the level and
/// whose inner interval is [s, r]. N is a double, or a packet of several coordinates (core/packed.hpp).
template <class N = double>
struct diamond_coordinate {
    N mu, C;                 // the Gaussian's mean and variance
    N mean, variance, slope; // pm, pv and d pm/d x_t
    double s, r;
    N S, R;

    DIAMOND_HD diamond_coordinate(noise_level level, double from, double to, N centre, N spread, N x_t)
        : mu(centre), C(spread), s(from), r(to) {
        const double alpha = level.alpha, noise = level.sigma * level.sigma;
        const N total = noise + alpha * alpha * C;
        mean = (noise * mu + alpha * C * x_t) / total;
        variance = noise * C / total;
        slope = alpha * C / total;
        S = root(s * s * variance + (1.0 - s) * (1.0 - s));
        R = root(r * r * variance + (1.0 - r) * (1.0 - r));
    }
    static DIAMOND_HD N root(N value) { return number_access<N>::root(value); }
    /// Returns 1/S, and 0 where S = 0, at s = 1 of a posterior that is a point, for nothing is left there to
    /// scale.
    [[nodiscard]] DIAMOND_HD N inverse() const { return S > 0.0 ? 1.0 / S : N{}; }
    [[nodiscard]] DIAMOND_HD N e(N xbar) const { return (xbar - s * mean) * inverse(); }
    [[nodiscard]] DIAMOND_HD N k() const {
        return S + R > 0.0 ? ((r + s) * variance - ((1.0 - r) + (1.0 - s))) / (R + S) : N{};
    }
    /// Returns sqrt(C) g + mu, the Gaussian's posterior mean given x_t and xbar_s.
    [[nodiscard]] DIAMOND_HD N both(N e) const { return mean + s * variance * inverse() * e; }
    /// The following are the derivatives of S, R, e, both and k where s, r and xbar move at the given speeds.
    [[nodiscard]] DIAMOND_HD N S_dot(double s_dot) const {
        return s_dot * (s * variance - (1.0 - s)) * inverse();
    }
    [[nodiscard]] DIAMOND_HD N R_dot(double r_dot) const {
        return R > 0.0 ? r_dot * (r * variance - (1.0 - r)) / R : N{};
    }
    [[nodiscard]] DIAMOND_HD N e_dot(N xbar, N xbar_dot, double s_dot) const {
        return (xbar_dot - s_dot * mean - e(xbar) * S_dot(s_dot)) * inverse();
    }
    [[nodiscard]] DIAMOND_HD N both_dot(N e, N e_dot, double s_dot) const {
        return variance * inverse() * ((s_dot - s * S_dot(s_dot) * inverse()) * e + s * e_dot);
    }
    [[nodiscard]] DIAMOND_HD N k_dot(double s_dot, double r_dot) const {
        return S + R > 0.0
                 ? ((r_dot + s_dot) * (variance + 1.0) - k() * (R_dot(r_dot) + S_dot(s_dot))) / (R + S)
                 : N{};
    }
};

/// Gives the diamond_coordinate of each coordinate and column of a batch x_t.
template <class Real, class Context>
struct gaussian_coordinates {
    batch_view<const double, Context> mean{nullptr, 0, 0, nullptr}, variance = mean; ///< mu and C, d x 1
    batch_view<const double, Context> times = mean;              ///< 4 x N, see fill_diamond_times
    batch_view<const Real, Context> x_t{nullptr, 0, 0, nullptr}; ///< d x N
    template <class N = double>
    [[nodiscard]] DIAMOND_HD diamond_coordinate<N> at(index_t i, index_t j) const {
        const auto time = times.column(j);
        return {{.alpha = time[0], .sigma = time[1]},
                time[2],
                time[3],
                read_numbers<N>(mean, i),
                read_numbers<N>(variance, i),
                read_numbers<N>(x_t, i, j)};
    }
};

/// Writes e and g, the first rows of the network's inputs, and where xbar, s and r move at the given speeds
/// their derivatives into the tangents of the inputs.
template <class ConstView, class View>
struct write_state_inputs {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 8;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    ConstView xbar;                                                   ///< d x N
    diamond_speeds<real> speeds;
    View inputs, tangents; ///< tangents without memory: nothing moves

    template <class N>
    DIAMOND_HD void at(index_t i, index_t j) const {
        const index_t d = xbar.rows();
        const auto c = gaussian.template at<N>(i, j);
        const N unit = 1.0 / c.root(c.C), x = read_numbers<N>(xbar, i, j), e = c.e(x);
        write_numbers_to(inputs, i, j, e);
        write_numbers_to(inputs, d + i, j, N((c.both(e) - c.mu) * unit));
        if (!tangents.data()) return;
        const N xbar_dot = speeds.xbar ? number_access<N>::read(speeds.xbar + i + d * j) : N{},
                e_dot = c.e_dot(x, xbar_dot, speeds.s);
        write_numbers_to(tangents, i, j, e_dot);
        write_numbers_to(tangents, d + i, j, N(c.both_dot(e, e_dot, speeds.s) * unit));
    }
};
/// Replaces the network's output F by v, and F', where it has memory, by v', for xbar, s and r that move at
/// the given speeds.
template <class ConstView, class View>
struct write_velocity {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 8;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    ConstView xbar;                                                   ///< d x N
    diamond_speeds<real> speeds;
    View F, F_dot; ///< with d rows or more

    template <class N>
    DIAMOND_HD void at(index_t i, index_t j) const {
        const auto c = gaussian.template at<N>(i, j);
        const N x = read_numbers<N>(xbar, i, j), e = c.e(x), scale = c.root(c.variance);
        write_numbers_to(F, i, j, N(c.mean + c.k() * e + scale * read_numbers<N>(F, i, j)));
        if (!F_dot.data()) return;
        const N xbar_dot = speeds.xbar ? number_access<N>::read(speeds.xbar + i + xbar.rows() * j) : N{},
                e_dot = c.e_dot(x, xbar_dot, speeds.s);
        write_numbers_to(
            F_dot, i, j,
            N(c.k_dot(speeds.s, speeds.r) * e + c.k() * e_dot + scale * read_numbers<N>(F_dot, i, j)));
    }
};
/// Writes the cotangent of F, given that of v, and the cotangent of F', where that of v' has memory: each is
/// sqrt(pv) times the other.
template <class ConstView, class View>
struct write_network_cotangents {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 8;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    ConstView v, v_dot;                                               ///< with d rows or more
    View F, F_dot;                                                    ///< with d rows or more

    template <class N>
    DIAMOND_HD void at(index_t i, index_t j) const {
        const auto c = gaussian.template at<N>(i, j);
        const N scale = c.root(c.variance);
        write_numbers_to(F, i, j, N(scale * read_numbers<N>(v, i, j)));
        if (v_dot.data()) write_numbers_to(F_dot, i, j, N(scale * read_numbers<N>(v_dot, i, j)));
    }
};
/// Writes the cotangents of xbar and x_t, given those of v and of the network's inputs e and g.
template <class ConstView, class View>
struct write_state_cotangents {
    using real = typename View::value_type;
    static constexpr index_t relative_cost = 8;
    gaussian_coordinates<real, typename View::context_type> gaussian; ///< d x N
    ConstView v, inputs;                                              ///< d rows or more, and 2 d or more
    View xbar, x_t;                                                   ///< d x N

    template <class N>
    DIAMOND_HD void at(index_t i, index_t j) const {
        const auto c = gaussian.template at<N>(i, j);
        const N of_v = read_numbers<N>(v, i, j),
                g = read_numbers<N>(inputs, xbar.rows() + i, j) / c.root(c.C),
                e = c.k() * of_v + read_numbers<N>(inputs, i, j) + g * c.s * c.variance * c.inverse();
        write_numbers_to(xbar, i, j, N(e * c.inverse()));
        write_numbers_to(x_t, i, j, N((of_v - e * c.s * c.inverse() + g) * c.slope));
    }
};

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

/// Writes the features of the five times of a network to `to`, network_times x time_features numbers, and
/// their derivatives to `dot`, unless that is null. s and r move at the given speeds, and t stands still.
template <class Real>
DIAMOND_HD void write_time_features(double t, noise_level level, moving_number s, moving_number r, Real* to,
                                    Real* dot) {
    const moving_number time[network_times] = {{t, 0.0},
                                               s,
                                               r,
                                               combined_time(level.alpha, level.sigma, s.value, s.speed),
                                               combined_time(level.alpha, level.sigma, r.value, r.speed)};
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
            cosine = 1.0 - 2.0 * sine * sine;
            sine = twice;
            frequency *= 2.0;
        }
    }
}
/// Returns the row of a label among those of a network's classes, of which the last is that of no class.
[[nodiscard]] DIAMOND_HD inline index_t row_of_label(std::int32_t label, index_t rows) {
    return label == labels::unconditional ? rows - 1 : static_cast<index_t>(label);
}

/// Writes vectors in units of their frame's deviations.
template <class ConstView, class View>
struct write_in_units {
    static constexpr index_t relative_cost = 8;
    ConstView from;
    batch_view<const double, typename View::context_type> mean, variance; ///< d_c x 1
    View to;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        to(k, j) = static_cast<typename View::value_type>((static_cast<double>(from(k, j)) - mean[k]) /
                                                          std::sqrt(variance[k]));
    }
};
/// Reads the rows that a vector condition is to a network: its numbers in the frame's units, and behind them
/// a row that is 1 where there is none; the numbers are 0 there.
template <class Vectors>
struct vector_rows {
    Vectors vector;
    index_t size = 0; ///< d_c; 0 where the network takes no vector

    [[nodiscard]] DIAMOND_HD index_t rows() const { return size > 0 ? size + 1 : 0; }
    [[nodiscard]] DIAMOND_HD double operator()(index_t k, index_t column) const {
        const bool none = vector.none(column);
        if (k == size) return none ? 1.0 : 0.0;
        return none ? 0.0 : static_cast<double>(vector(k, column));
    }
};

/// Writes the time features and the condition of column j into the rows of the network's inputs behind e and
/// g, and the derivatives of these features into `tangents` where it has memory. A label is a row for each
/// class, 1 or 0, and a last row for no class; the rows of a vector follow.
template <class View, class Vectors>
struct fill_conditions {
    static constexpr index_t relative_cost = 64;
    time_view t;
    batch_view<const double, typename View::context_type> times; ///< 4 x N, see fill_diamond_times
    labels label;
    vector_rows<Vectors> vector;
    double s_dot, r_dot;
    View inputs, tangents;
    index_t first; ///< the row of the first feature of t

    DIAMOND_HD void operator()(index_t j) const {
        using real = typename View::value_type;
        real* to = inputs.column(j).begin() + first;
        real* dot = tangents.data() ? tangents.column(j).begin() + first : nullptr;
        const auto row = times.column(j);
        write_time_features<real>(t[j], {.alpha = row[0], .sigma = row[1]}, {row[2], s_dot}, {row[3], r_dot},
                                  to, dot);
        constexpr index_t features = network_times * time_features;
        const index_t rows = inputs.rows() - first - features, classes = rows - vector.rows();
        const index_t mine = row_of_label(label[j], classes);
        to += features;
        for (index_t c = 0; c < classes; ++c) to[c] = static_cast<real>(c == mine ? 1.0 : 0.0);
        for (index_t k = classes; k < rows; ++k) to[k] = static_cast<real>(vector(k - classes, j));
        if (!dot) return;
        for (index_t k = 0; k < rows; ++k) dot[features + k] = real{0};
    }
};

} // namespace diamond::detail
