/// The checkerboard's posterior, cell by cell.
#pragma once

#include <diamond/oracle/truncated_normal.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond::detail {

/// [-4, 4] has four intervals of length 2 on each axis; cell (i, k) is black where i + k is even.
struct board {
    static constexpr int    intervals = 4, cells = 8;
    static constexpr double side = 2.0, area = 32.0;
    static constexpr index_t relative_cost = 256; ///< of a call that needs a board_posterior, in copies of a number

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

} // namespace diamond::detail
