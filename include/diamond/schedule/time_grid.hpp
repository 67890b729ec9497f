/// Grids of outer times, 0 = t_0 < ... < t_K = 1.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// The largest number of steps of a grid. More are a mistake of units: their times alone would take 128 MiB.
inline constexpr index_t most_grid_steps = index_t{1} << 24;

/// The grid t_k = k/K of K equal steps, as K + 1 times. @throws std::invalid_argument unless 1 <= steps <=
/// most_grid_steps.
[[nodiscard]] inline std::vector<double> uniform_time_grid(index_t steps) {
    require(steps >= 1,
            [&] { return "a time grid of " + digits_of(steps) + " steps: at least 1 is needed"; });
    require(steps <= most_grid_steps, [&] {
        return "a time grid of " + digits_of(steps) + " steps: at most " + digits_of(most_grid_steps) +
               " are taken";
    });
    std::vector<double> grid(static_cast<std::size_t>(steps) + 1);
    for (index_t k = 0; k <= steps; ++k)
        grid[static_cast<std::size_t>(k)] = static_cast<double>(k) / static_cast<double>(steps);
    return grid;
}

/// Where noise_ratio_time_grid goes: sigma/alpha at its first and at its last time between 0 and 1.
struct noise_ratios {
    double first; ///< so much noise that little is known yet, as 3
    double last;  ///< above 0: half of the finest scale that a reward or the data have, in units of the data
};
/// The grid 0 = t_0 < ... < t_K = 1 of `steps` steps, along which sigma/alpha falls by equal factors from
/// ratios.first at t_1 to ratios.last at t_{K-1}: equal steps in the logarithm of the signal-to-noise ratio.
///
/// Values change most while sigma/alpha is about the scale that a reward or the data distinguish; equal steps
/// in t end with one from sigma = 1/K to 0, too long for scales well below 1/K. The first step goes from
/// noise alone right to ratios.first, the last from ratios.last to the data. Works for any schedule.
/// @throws std::invalid_argument unless 3 <= steps <= most_grid_steps and 0 < last < first < infinity, where
/// two times are the same double, and for a schedule that breaks its promises (check_schedule). See (eq.
/// noise-ratio-grid).
template <class Schedule>
[[nodiscard]] std::vector<double> noise_ratio_time_grid(const Schedule& schedule, index_t steps,
                                                        noise_ratios ratios) {
    check_schedule(schedule);
    require(steps >= 3 && steps <= most_grid_steps, [&] {
        return "a time grid of " + digits_of(steps) + " steps by noise ratios: 3 to " +
               digits_of(most_grid_steps) + " are taken";
    });
    require(ratios.last > 0.0 && ratios.last < ratios.first && ratios.first < infinity, [&] {
        return "a time grid whose sigma/alpha falls from " + digits_of(ratios.first) + " to " +
               digits_of(ratios.last) + ": both must be positive and finite, the last below the first";
    });
    std::vector<double> grid{0.0};
    const double factor = std::log(ratios.last / ratios.first) / static_cast<double>(steps - 2);
    for (index_t k = 0; k + 1 < steps; ++k)
        grid.push_back(time_at(schedule, 1.0, ratios.first * std::exp(factor * static_cast<double>(k))).t);
    grid.push_back(1.0);
    require_time_grid(grid);
    return grid;
}

} // namespace diamond
