/// The columnwise work of the checkerboard.
#pragma once

#include <cstdint>

#include <diamond/oracle/checkerboard_posterior.hpp>
#include <diamond/oracle/mixture_draws.hpp>
#include <diamond/oracle/reading.hpp>

namespace diamond::detail {

template <class Schedule>
[[nodiscard]] DIAMOND_HD noise_level level_of(const Schedule& schedule, reading_kind kind, instant t) {
    return kind == reading_kind::velocity ? noise_level{alpha_at(schedule, t), sigma_at(schedule, t)} : level_at(schedule, t);
}

template <class Schedule, class Real, class View>
struct checkerboard_reading {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule     schedule;
    reading_kind kind;
    time_view        t;
    View         x;
    Real*        out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_of(schedule, kind, t.at(j));
        const double      at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        double            value[2];
        if (level.sigma == 0.0) {
            for (int axis = 0; axis < 2; ++axis)
                value[axis] = kind == reading_kind::denoiser ? at[axis] : kind == reading_kind::velocity ? d_alpha_at(schedule, t.at(j)) * at[axis] : 0.0;
        } else {
            const board_posterior posterior(level, at[0], at[1]);
            for (int axis = 0; axis < 2; ++axis) {
                const double mean = posterior.expected(posterior.mean, axis), noise = posterior.expected(posterior.noise, axis);
                switch (kind) {
                case reading_kind::velocity: value[axis] = d_alpha_at(schedule, t.at(j)) * mean + sigma_d_sigma(schedule, t.at(j)) / level.sigma * noise; break;
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

    DIAMOND_HD checkerboard_jacobian(const Schedule& schedule, instant t, const View& x, index_t j) {
        const noise_level level = level_of(schedule, reading_kind::velocity, t);
        if (level.sigma == 0.0) {
            diagonal[0] = diagonal[1] = d_alpha_at(schedule, t);
            off                       = 0.0;
            return;
        }
        const board_posterior posterior(level, static_cast<double>(x(0, j)), static_cast<double>(x(1, j)));
        const double          growth = sigma_d_sigma(schedule, t) / square(level.sigma), snr = square(level.alpha / level.sigma);
        const double          factor = d_alpha_at(schedule, t) * level.alpha / square(level.sigma);
        for (int axis = 0; axis < 2; ++axis) {
            const double covariance = posterior.covariance(axis, axis);
            diagonal[axis]          = factor * covariance + growth * (1.0 - snr * covariance);
        }
        off = (factor - growth * snr) * posterior.covariance(0, 1);
    }
};

template <class Schedule, class Real, class View>
struct checkerboard_product {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view    t;
    View     x, w;
    Real*    out;
    DIAMOND_HD void operator()(index_t j) const {
        const checkerboard_jacobian<Schedule, View> jacobian(schedule, t.at(j), x, j);
        const auto first = static_cast<double>(w(0, j)), second = static_cast<double>(w(1, j));
        out[2 * j]     = static_cast<Real>(jacobian.diagonal[0] * first + jacobian.off * second);
        out[2 * j + 1] = static_cast<Real>(jacobian.off * first + jacobian.diagonal[1] * second);
    }
};
template <class Schedule, class View>
struct checkerboard_divergence {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view    t;
    View     x;
    double*  out;
    DIAMOND_HD void operator()(index_t j) const {
        const checkerboard_jacobian<Schedule, View> jacobian(schedule, t.at(j), x, j);
        out[j] = jacobian.diagonal[0] + jacobian.diagonal[1];
    }
};

template <class Schedule, class View>
struct checkerboard_density {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view    t;
    View     x;
    double*  out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_at(schedule, t.at(j));
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
    static constexpr index_t relative_cost = board::relative_cost;

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
