/// Grids of outer times 0 = t_0 < ... < t_K = 1.
#pragma once

#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// K equal steps. @throws std::invalid_argument unless steps >= 1.
[[nodiscard]] inline std::vector<double> uniform_time_grid(index_t steps) {
    require(steps >= 1, [&] { return "a time grid of " + digits_of(steps) + " steps: at least 1 is needed"; });
    std::vector<double> grid(static_cast<std::size_t>(steps) + 1);
    for (index_t k = 0; k <= steps; ++k) grid[static_cast<std::size_t>(k)] = static_cast<double>(k) / static_cast<double>(steps);
    return grid;
}

} // namespace diamond
