/// The checkerboard's posterior, cell by cell, and the columnwise work made of it.
#pragma once

#include <cstdint>

#include <diamond/oracle/mixture_draws.hpp>
#include <diamond/oracle/reading.hpp>
#include <diamond/oracle/truncated_normal.hpp>

namespace diamond::detail {

/// [-4, 4] has four intervals of length 2 on each axis; cell (i, k) is black where i + k is even.
struct board {
    static constexpr int    intervals = 4, cells = 8;
    static constexpr double side = 2.0, area = 32.0;
    static constexpr index_t price = 256; ///< of a call that needs a board_posterior, in copies of a number

    [[nodiscard]] DIAMOND_HD static constexpr double first(int interval) { return -4.0 + side * interval; }
    /// The interval of cell c on an axis.
    [[nodiscard]] DIAMOND_HD static constexpr int interval(int c, int axis) { return axis == 0 ? c / 2 : 2 * (c % 2) + (c / 2) % 2; }
    /// Whether a point lies in a cell.
    [[nodiscard]] DIAMOND_HD static bool inside(double x, double y) {
        const double i = std::floor(x / side), k = std::floor(y / side);
        return i >= -2.0 && i < 2.0 && k >= -2.0 && k < 2.0 && std::fmod(i + k, 2.0) == 0.0;
    }
};

/// p_{1|t}(. | x) for sigma > 0: an axis's truncated normals and the probabilities of the cells.
struct board_posterior {
    double log_mass[2][board::intervals], mean[2][board::intervals], noise[2][board::intervals], variance[2][board::intervals];
    double probability[board::cells];
    double log_sum; ///< of the cells' masses

    DIAMOND_HD board_posterior(noise_level level, double x, double y) {
        const double width = level.alpha * board::side / level.sigma;
        for (int axis = 0; axis < 2; ++axis)
            for (int i = 0; i < board::intervals; ++i) {
                const truncated_normal part((level.alpha * board::first(i) - (axis == 0 ? x : y)) / level.sigma, width);
                log_mass[axis][i] = part.log_scale + part.log_rest;
                mean[axis][i]     = board::first(i) + board::side * part.mean_v;
                noise[axis][i]    = -part.mean_y; // y is (alpha z - x)/sigma
                variance[axis][i] = square(board::side) * part.variance_v;
            }
        double high = -infinity, total = 0.0;
        for (int c = 0; c < board::cells; ++c) {
            probability[c] = of(log_mass, 0, c) + of(log_mass, 1, c);
            high           = probability[c] > high ? probability[c] : high;
        }
        for (double& p : probability) total += p = std::exp(p - high);
        for (double& p : probability) p /= total;
        log_sum = high + std::log(total);
    }

    [[nodiscard]] DIAMOND_HD static double of(const double (&table)[2][board::intervals], int axis, int c) { return table[axis][board::interval(c, axis)]; }
    [[nodiscard]] DIAMOND_HD double        expected(const double (&table)[2][board::intervals], int axis) const {
        double sum = 0.0;
        for (int c = 0; c < board::cells; ++c) sum += probability[c] * of(table, axis, c);
        return sum;
    }
    /// Cov[z_a, z_b | x].
    [[nodiscard]] DIAMOND_HD double covariance(int a, int b) const {
        const double mean_a = expected(mean, a), mean_b = expected(mean, b);
        double       sum = a == b ? expected(variance, a) : 0.0;
        for (int c = 0; c < board::cells; ++c) sum += probability[c] * (of(mean, a, c) - mean_a) * (of(mean, b, c) - mean_b);
        return sum;
    }
};

template <class Schedule>
[[nodiscard]] DIAMOND_HD noise_level level_of(const Schedule& schedule, reading_kind kind, double t) {
    return kind == reading_kind::velocity ? noise_level{schedule.alpha(t), schedule.sigma(t)} : level_at(schedule, t);
}

template <class Schedule, class Real, class View>
struct checkerboard_reading {
    static constexpr index_t price = board::price;

    Schedule     schedule;
    reading_kind kind;
    times        t;
    View         x;
    Real*        out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_of(schedule, kind, t[j]);
        const double      at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        double            value[2];
        if (level.sigma == 0.0) {
            for (int axis = 0; axis < 2; ++axis)
                value[axis] = kind == reading_kind::denoiser ? at[axis] : kind == reading_kind::velocity ? schedule.d_alpha(t[j]) * at[axis] : 0.0;
        } else {
            const board_posterior posterior(level, at[0], at[1]);
            for (int axis = 0; axis < 2; ++axis) {
                const double mean = posterior.expected(posterior.mean, axis), noise = posterior.expected(posterior.noise, axis);
                switch (kind) {
                case reading_kind::velocity: value[axis] = schedule.d_alpha(t[j]) * mean + sigma_d_sigma(schedule, t[j]) / level.sigma * noise; break;
                case reading_kind::denoiser: value[axis] = mean; break;
                case reading_kind::noise: value[axis] = noise; break;
                case reading_kind::score: value[axis] = -noise / level.sigma; break;
                }
            }
        }
        for (int axis = 0; axis < 2; ++axis) out[axis + 2 * j] = static_cast<Real>(value[axis]);
    }
};

/// du/dx of column j: a symmetric 2 x 2 matrix.
template <class Schedule, class View>
struct checkerboard_jacobian {
    double diagonal[2], off;

    DIAMOND_HD checkerboard_jacobian(const Schedule& schedule, double t, const View& x, index_t j) {
        const noise_level level = level_of(schedule, reading_kind::velocity, t);
        if (level.sigma == 0.0) {
            diagonal[0] = diagonal[1] = schedule.d_alpha(t);
            off                       = 0.0;
            return;
        }
        const board_posterior posterior(level, static_cast<double>(x(0, j)), static_cast<double>(x(1, j)));
        const double          growth = sigma_d_sigma(schedule, t) / square(level.sigma), snr = square(level.alpha / level.sigma);
        const double          factor = schedule.d_alpha(t) * level.alpha / square(level.sigma);
        for (int axis = 0; axis < 2; ++axis) {
            const double covariance = posterior.covariance(axis, axis);
            diagonal[axis]          = factor * covariance + growth * (1.0 - snr * covariance);
        }
        off = (factor - growth * snr) * posterior.covariance(0, 1);
    }
};

template <class Schedule, class Real, class View>
struct checkerboard_product {
    static constexpr index_t price = board::price;

    Schedule schedule;
    times    t;
    View     x, w;
    Real*    out;
    DIAMOND_HD void operator()(index_t j) const {
        const checkerboard_jacobian<Schedule, View> jacobian(schedule, t[j], x, j);
        const auto first = static_cast<double>(w(0, j)), second = static_cast<double>(w(1, j));
        out[2 * j]     = static_cast<Real>(jacobian.diagonal[0] * first + jacobian.off * second);
        out[2 * j + 1] = static_cast<Real>(jacobian.off * first + jacobian.diagonal[1] * second);
    }
};
template <class Schedule, class View>
struct checkerboard_divergence {
    static constexpr index_t price = board::price;

    Schedule schedule;
    times    t;
    View     x;
    double*  out;
    DIAMOND_HD void operator()(index_t j) const {
        const checkerboard_jacobian<Schedule, View> jacobian(schedule, t[j], x, j);
        out[j] = jacobian.diagonal[0] + jacobian.diagonal[1];
    }
};

template <class Schedule, class View>
struct checkerboard_density {
    static constexpr index_t price = board::price;

    Schedule schedule;
    times    t;
    View     x;
    double*  out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_at(schedule, t[j]);
        const double      at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        if (level.sigma == 0.0)
            out[j] = board::inside(at[0], at[1]) ? -std::log(board::area) : -infinity;
        else // each cell's masses are means over it; its share is its area
            out[j] = board_posterior(level, at[0], at[1]).log_sum + std::log(square(board::side) / board::area) - std::log(2.0 * pi * square(level.sigma));
    }
};

template <class Real>
struct checkerboard_draw {
    noise_stream stream;
    Real*        out;
    DIAMOND_HD void operator()(index_t j) const {
        const int c = static_cast<int>(stream.uniform(j, choice_block) * board::cells);
        for (int axis = 0; axis < 2; ++axis)
            out[axis + 2 * j] = static_cast<Real>(board::first(board::interval(c, axis)) + board::side * stream.uniform(j, axis));
    }
};

template <class Real, class View>
struct checkerboard_posterior_draw {
    static constexpr index_t price = board::price;

    noise_level  level;
    noise_stream stream, choices;
    View         x;
    Real*        out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t particle = j / stream.samples, sample = j % stream.samples;
        const double  at[2] = {static_cast<double>(x(0, particle)), static_cast<double>(x(1, particle))};
        if (level.sigma == 0.0) {
            for (int axis = 0; axis < 2; ++axis) out[axis + 2 * j] = x(axis, particle);
            return;
        }
        const board_posterior posterior(level, at[0], at[1]);
        double                sums[board::cells], total = 0.0;
        for (int c = 0; c < board::cells; ++c) sums[c] = total += posterior.probability[c];
        const auto c      = static_cast<int>(choose(sums, board::cells, choices.uniform(j)));
        const bool mirror = stream.antithetic && sample % 2 == 1;
        for (int axis = 0; axis < 2; ++axis) {
            const double p     = stream.uniform(mirror ? j - 1 : j, axis);
            const double first = board::first(board::interval(c, axis));
            const double v     = truncated_normal_quantile((level.alpha * first - at[axis]) / level.sigma, level.alpha * board::side / level.sigma, mirror ? 1.0 - p : p);
            out[axis + 2 * j]  = static_cast<Real>(first + board::side * v);
        }
    }
};

} // namespace diamond::detail
