/// Grids of outer times, 0 = t_0 < ... < t_K = 1.
#pragma once

#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
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

} // namespace diamond
