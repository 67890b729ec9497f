/// The checkerboard has density 1/32 on the 8 cells of [-4, 4]^2 where floor(x/2) + floor(y/2) is even. See
/// (eq. checkerboard-density), (eq. checkerboard-posterior).
///
/// Given x_t, each cell's share of the posterior is a product of two truncated normals
/// (oracle/truncated_normal.hpp), so that everything is a sum over cells.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/row.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/mixture_draws.hpp>
#include <diamond/oracle/truncated_normal.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

namespace detail {

/// This is the board: [-4, 4] has four intervals of length 2 on each axis, and cell (i, k) holds data where
/// i + k is even.
struct board {
    static constexpr int intervals = 4, cells = 8;
    static constexpr double side = 2.0, area = 32.0;
    /// This is the cost of a call that needs a board_posterior, in copies of a number.
    static constexpr index_t relative_cost = 256;

    [[nodiscard]] DIAMOND_HD static constexpr double first(int interval) { return -4.0 + side * interval; }
    /// Returns the interval that cell c, 0 <= c < cells, occupies on an axis.
    [[nodiscard]] DIAMOND_HD static constexpr int interval(int c, int axis) {
        return axis == 0 ? c / 2 : 2 * (c % 2) + (c / 2) % 2;
    }
    /// Returns true where (x, y) lies in a cell that holds data.
    [[nodiscard]] DIAMOND_HD static bool inside(double x, double y) {
        const double i = std::floor(x / side), k = std::floor(y / side);
        return i >= -2.0 && i < 2.0 && k >= -2.0 && k < 2.0 && std::fmod(i + k, 2.0) == 0.0;
    }
};

/// This is p_{1|t}(. | x) for sigma > 0: a truncated normal for each interval of each axis, and each cell's
/// probability.
struct board_posterior {
    /// A table holds a number for each interval of each axis.
    using table = double[2][board::intervals];

    table log_mass, mean, noise, variance;
    double probability[board::cells];
    double log_sum; ///< the logarithm of the sum of the cells' masses

    DIAMOND_HD board_posterior(noise_level level, double x, double y) {
        const double width = level.alpha * board::side / level.sigma;
        for (int axis = 0; axis < 2; ++axis)
            for (int i = 0; i < board::intervals; ++i) {
                const truncated_normal part(
                    (level.alpha * board::first(i) - (axis == 0 ? x : y)) / level.sigma, width);
                log_mass[axis][i] = part.log_scale + part.log_rest;
                mean[axis][i] = board::first(i) + board::side * part.mean_v;
                noise[axis][i] = -part.mean_y; // y is (alpha z - x)/sigma
                variance[axis][i] = square(board::side) * part.variance_v;
            }
        double high = -infinity, total = 0.0;
        for (int c = 0; c < board::cells; ++c) {
            probability[c] = of(log_mass, 0, c) + of(log_mass, 1, c);
            high = probability[c] > high ? probability[c] : high;
        }
        for (double& p : probability) total += p = std::exp(p - high);
        for (double& p : probability) p /= total;
        log_sum = high + std::log(total);
    }

    /// Returns the entry of cell c on an axis.
    [[nodiscard]] DIAMOND_HD static double of(const table& numbers, int axis, int c) {
        return numbers[axis][board::interval(c, axis)];
    }
    /// Returns the mean of a table's numbers on an axis over the cells.
    [[nodiscard]] DIAMOND_HD double expected(const table& numbers, int axis) const {
        double sum = 0.0;
        for (int c = 0; c < board::cells; ++c) sum += probability[c] * of(numbers, axis, c);
        return sum;
    }
    /// Returns Cov[z_a, z_b | x].
    [[nodiscard]] DIAMOND_HD double covariance(int a, int b) const {
        const double mean_a = expected(mean, a), mean_b = expected(mean, b);
        double sum = a == b ? expected(variance, a) : 0.0;
        for (int c = 0; c < board::cells; ++c)
            sum += probability[c] * (of(mean, a, c) - mean_a) * (of(mean, b, c) - mean_b);
        return sum;
    }
};

/// Returns alpha and sigma of a reading: the velocity is the ODE's and takes the schedule as it is, the
/// others are the posterior's.
template <class Schedule>
[[nodiscard]] DIAMOND_HD noise_level level_of(const Schedule& schedule, reading_kind kind, instant t) {
    return kind == reading_kind::velocity ? noise_level{alpha_at(schedule, t), sigma_at(schedule, t)}
                                          : level_at(schedule, t);
}

/// Writes column j of a reading.
template <class Batch, class Schedule>
struct checkerboard_reading {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    reading_kind kind;
    time_view t;
    const_view_t<Batch> x;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_of(schedule, kind, t.at(j));
        const double at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        double value[2];
        if (level.sigma == 0.0) {
            for (int axis = 0; axis < 2; ++axis)
                value[axis] = kind == reading_kind::denoiser ? at[axis]
                            : kind == reading_kind::velocity ? d_alpha_at(schedule, t.at(j)) * at[axis]
                                                             : 0.0;
        } else {
            const board_posterior posterior(level, at[0], at[1]);
            for (int axis = 0; axis < 2; ++axis) {
                const double mean = posterior.expected(posterior.mean, axis),
                             noise = posterior.expected(posterior.noise, axis);
                switch (kind) {
                case reading_kind::velocity:
                    value[axis] = d_alpha_at(schedule, t.at(j)) * mean +
                                  sigma_d_sigma(schedule, t.at(j)) / level.sigma * noise;
                    break;
                case reading_kind::denoiser:
                    value[axis] = mean;
                    break;
                case reading_kind::noise:
                    value[axis] = noise;
                    break;
                case reading_kind::score:
                    value[axis] = -noise / level.sigma;
                    break;
                }
            }
        }
        for (int axis = 0; axis < 2; ++axis)
            out(axis, j) = static_cast<typename Batch::value_type>(value[axis]);
    }
};

/// This is du/dx at (x, y), a symmetric 2 x 2 matrix.
struct checkerboard_jacobian {
    double diagonal[2], off;

    template <class Schedule>
    DIAMOND_HD checkerboard_jacobian(const Schedule& schedule, instant t, double x, double y) {
        const noise_level level = level_of(schedule, reading_kind::velocity, t);
        if (level.sigma == 0.0) {
            diagonal[0] = diagonal[1] = d_alpha_at(schedule, t);
            off = 0.0;
            return;
        }
        const board_posterior posterior(level, x, y);
        const double growth = sigma_d_sigma(schedule, t) / square(level.sigma),
                     snr = square(level.alpha / level.sigma);
        const double factor = d_alpha_at(schedule, t) * level.alpha / square(level.sigma);
        for (int axis = 0; axis < 2; ++axis) {
            const double covariance = posterior.covariance(axis, axis);
            diagonal[axis] = factor * covariance + growth * (1.0 - snr * covariance);
        }
        off = (factor - growth * snr) * posterior.covariance(0, 1);
    }
};

/// Writes column j of (du/dx) tangent.
template <class Batch, class Schedule>
struct checkerboard_product {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view t;
    const_view_t<Batch> x, tangent;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        using real = typename Batch::value_type;
        const checkerboard_jacobian jacobian(schedule, t.at(j), static_cast<double>(x(0, j)),
                                             static_cast<double>(x(1, j)));
        const auto first = static_cast<double>(tangent(0, j)), second = static_cast<double>(tangent(1, j));
        out(0, j) = static_cast<real>(jacobian.diagonal[0] * first + jacobian.off * second);
        out(1, j) = static_cast<real>(jacobian.off * first + jacobian.diagonal[1] * second);
    }
};

/// Writes div u of column j.
template <class Batch, class Schedule>
struct checkerboard_divergence {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view t;
    const_view_t<Batch> x;
    row_view<double, backend_of_t<Batch>> out;
    DIAMOND_HD void operator()(index_t j) const {
        const checkerboard_jacobian jacobian(schedule, t.at(j), static_cast<double>(x(0, j)),
                                             static_cast<double>(x(1, j)));
        out[j] = jacobian.diagonal[0] + jacobian.diagonal[1];
    }
};

/// Writes log p_t of column j.
template <class Batch, class Schedule>
struct checkerboard_density {
    static constexpr index_t relative_cost = board::relative_cost;

    Schedule schedule;
    time_view t;
    const_view_t<Batch> x;
    row_view<double, backend_of_t<Batch>> out;
    DIAMOND_HD void operator()(index_t j) const {
        const noise_level level = level_at(schedule, t.at(j));
        const double at[2] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))};
        if (level.sigma == 0.0)
            out[j] = board::inside(at[0], at[1]) ? -std::log(board::area) : -infinity;
        else // each cell's mass is a mean over the cell, whose share of the data is that of its area
            out[j] = board_posterior(level, at[0], at[1]).log_sum +
                     std::log(square(board::side) / board::area) - std::log(2.0 * pi * square(level.sigma));
    }
};

/// Writes column j of draws from p_data: one uniform chooses a cell, two a place in it.
template <class Batch>
struct checkerboard_draw {
    noise_stream stream;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        const int c = static_cast<int>(stream.uniform(j, choice_block) * board::cells);
        for (int axis = 0; axis < 2; ++axis) {
            const double place = board::first(board::interval(c, axis)) +
                                 board::side * stream.uniform(j, axis);
            out(axis, j) = static_cast<typename Batch::value_type>(place);
        }
    }
};

/// Writes column j of draws from the posterior of column j / M of x: a cell is chosen by its probability, a
/// place in it by two truncated normals.
template <class Batch>
struct checkerboard_posterior_draw {
    static constexpr index_t relative_cost = board::relative_cost;

    noise_level level;
    noise_stream stream, choices;
    const_view_t<Batch> x;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t particle = j / stream.samples, sample = j % stream.samples;
        const double at[2] = {static_cast<double>(x(0, particle)), static_cast<double>(x(1, particle))};
        if (level.sigma == 0.0) {
            for (int axis = 0; axis < 2; ++axis) out(axis, j) = x(axis, particle);
            return;
        }
        const board_posterior posterior(level, at[0], at[1]);
        double sums[board::cells], total = 0.0;
        for (int c = 0; c < board::cells; ++c) sums[c] = total += posterior.probability[c];
        const auto c = static_cast<int>(choose(sums, board::cells, choices.uniform(j)));
        const bool mirror = stream.antithetic && sample % 2 == 1;
        for (int axis = 0; axis < 2; ++axis) {
            const double p = stream.uniform(mirror ? j - 1 : j, axis);
            const double first = board::first(board::interval(c, axis));
            const double v = truncated_normal_quantile((level.alpha * first - at[axis]) / level.sigma,
                                                       level.alpha * board::side / level.sigma,
                                                       mirror ? 1.0 - p : p);
            out(axis, j) = static_cast<typename Batch::value_type>(first + board::side * v);
        }
    }
};

} // namespace detail

/// This is the exact model of the checkerboard under a noise schedule.
///
/// It models differentiable_velocity_field, velocity_field_with_density, scored_velocity_field and
/// velocity_field_with_denoiser, in dimension 2. x and out are 2 x N, times one value or one per column; each
/// call costs one evaluation a column. At t = 1 it knows the inside of its cells, where D = x, N = 0 and the
/// score is 0; the log density is -inf outside. At every t < 1 all is finite everywhere. It keeps nothing in
/// a context's memory and runs on the context of its batches. All calls throw std::invalid_argument on
/// batches of another dimension.
template <class Batch, class Schedule>
class checkerboard {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type = Batch;
    using schedule_type = Schedule;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    struct workspace_type {};

    /// The context only determines the type of the batches. @throws std::invalid_argument where the schedule
    /// is none.
    checkerboard(const context_type&, Schedule schedule)
        : schedule_(detail::checked_schedule(std::move(schedule))) {}

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] workspace_type make_workspace(const context_type&, index_t) const { return {}; }

    /// u(x, t) = alpha' D + sigma' N.
    void operator()(const_view x, time_view t, no_condition, workspace_type&, view out) const {
        read(reading_kind::velocity, x, t, out);
    }
    /// D = E[z | x_t], a mean of truncated normals over the cells.
    void denoiser(const_view x, time_view t, no_condition, workspace_type&, view out) const {
        read(reading_kind::denoiser, x, t, out);
    }
    /// N = E[eps | x_t].
    void noise(const_view x, time_view t, no_condition, workspace_type&, view out) const {
        read(reading_kind::noise, x, t, out);
    }
    /// grad log p_t = -N/sigma.
    void score(const_view x, time_view t, no_condition, workspace_type&, view out) const {
        read(reading_kind::score, x, t, out);
    }

    /// out = (du/dx) tangent, du/dx = alpha' alpha/sigma^2 Cov[z | x_t] + sigma'/sigma (I - alpha^2/sigma^2
    /// Cov[z | x_t]).
    void jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type&, view out) const {
        check("checkerboard::jvp", x, tangent.columns(), out);
        x.context().for_each(x.columns(),
                             detail::checkerboard_product<Batch, Schedule>{
                                 .schedule = schedule_, .t = t, .x = x, .tangent = tangent, .out = out});
    }
    /// out = cotangent^T (du/dx), which is jvp: du/dx is symmetric.
    void vjp(const_view x, time_view t, no_condition none, const_view cotangent, workspace_type& space,
             view out) const {
        jvp(x, t, none, cotangent, space, out);
    }
    /// out[j] = div u(x_j, t_j).
    void divergence(const_view x, time_view t, no_condition, workspace_type&, row_t<batch_type> out) const {
        check("checkerboard::divergence", x, x.columns(), x);
        require_columns("checkerboard::divergence", out, x.columns());
        x.context().for_each(x.columns(), detail::checkerboard_divergence<Batch, Schedule>{
                                              .schedule = schedule_, .t = t, .x = x, .out = out});
    }
    /// out[j] = log p_t(x_j).
    void log_density(const_view x, time_view t, no_condition, workspace_type&, row_t<batch_type> out) const {
        check("checkerboard::log_density", x, x.columns(), x);
        require_columns("checkerboard::log_density", out, x.columns());
        x.context().for_each(x.columns(), detail::checkerboard_density<Batch, Schedule>{
                                              .schedule = schedule_, .t = t, .x = x, .out = out});
    }

    /// Fills out, 2 x N, with draws from p_data by uniforms of `stream`.
    void draw(noise_stream stream, view out) const {
        check("checkerboard::draw", out, out.columns(), out);
        out.context().for_each(out.columns(), detail::checkerboard_draw<Batch>{.stream = stream, .out = out});
    }
    /// Draws z ~ p_{1|t}(. | x_t), M = stream.samples a particle: x_t is 2 x N, out 2 x (N M), and draw i of
    /// particle j is column j M + i. The places in a cell are chosen by uniforms of `stream`, the cells by
    /// those of stream.choices(). The antithetic partner of a draw, which chooses a cell of its own,
    /// takes 1 - p for each uniform p of its place.
    void draw_posterior(const_view x_t, double t, no_condition, noise_stream stream, workspace_type&,
                        view out) const {
        check("checkerboard::draw_posterior", out, x_t.columns() * stream.samples, x_t);
        out.context().for_each(out.columns(),
                               detail::checkerboard_posterior_draw<Batch>{.level = level_at(schedule_, t),
                                                                          .stream = stream,
                                                                          .choices = stream.choices(),
                                                                          .x = x_t,
                                                                          .out = out});
    }

private:
    void read(reading_kind kind, const_view x, time_view t, view out) const {
        check("checkerboard", x, out.columns(), out);
        x.context().for_each(x.columns(),
                             detail::checkerboard_reading<Batch, Schedule>{
                                 .schedule = schedule_, .kind = kind, .t = t, .x = x, .out = out});
    }
    void check(const char* where, const_view a, index_t columns, const_view b) const {
        require(a.rows() == 2 && b.rows() == 2 && a.columns() == columns, [&] {
            return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " +
                   digits_of(a.columns()) + " and " + digits_of(b.rows()) + " rows, wanted dimension 2 and " +
                   digits_of(columns) + " columns";
        });
    }

    Schedule schedule_;
};

} // namespace diamond
