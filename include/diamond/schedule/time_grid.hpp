/// Grids of outer times 0 = t_0 < ... < t_K = 1.
#pragma once

#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// More steps than this are a mistake of units: a grid of them alone would take 128 MiB and more.
inline constexpr index_t most_grid_steps = index_t{1} << 24;

/// K equal steps. @throws std::invalid_argument unless 1 <= steps <= most_grid_steps.
[[nodiscard]] inline std::vector<double> uniform_time_grid(index_t steps) {
    require(steps >= 1, [&] { return "a time grid of " + digits_of(steps) + " steps: at least 1 is needed"; });
    require(steps <= most_grid_steps, [&] { return "a time grid of " + digits_of(steps) + " steps: at most " + digits_of(most_grid_steps) + " are taken"; });
    std::vector<double> grid(static_cast<std::size_t>(steps) + 1);
    for (index_t k = 0; k <= steps; ++k) grid[static_cast<std::size_t>(k)] = static_cast<double>(k) / static_cast<double>(steps);
    return grid;
}

} // namespace diamond
