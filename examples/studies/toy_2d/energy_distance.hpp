/// This header computes the energy distance of weighted particles to a density on the plane.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../shared/plane.hpp"

namespace toy {

using studies::density, studies::plane;

/// Returns the sum over j of weights[j] |(x, y) - p_j| for points {x, y, x, y, ...}.
inline double mean_distance(double x, double y, std::span<const float> points,
                            std::span<const double> weights) {
    double sum = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j)
        sum += weights[j] *
               std::sqrt(diamond::square(points[2 * j] - x) + diamond::square(points[2 * j + 1] - y));
    return sum;
}

/// Returns 2 E|X - Y| - E|X - X'| - E|Y - Y'| between weighted points and a density. Points of one family are
/// dependent, and only pairs of two families enter E|X - X'|, so that draws of the density have 0 on average.
inline double energy_distance(std::span<const float> points, std::span<const double> weights,
                              std::span<const std::int32_t> families, const density& truth) {
    const auto all = truth.plane.centres();
    const auto mass = truth.normalised();
    std::vector<float> cells;
    std::vector<double> cell_weights;
    for (std::size_t k = 0; k < mass.size(); ++k) {
        // All such cells together have too little mass to be seen.
        if (mass[k] * diamond::square(plane::cell) < 1e-7) continue;
        cells.insert(cells.end(), {all[2 * k], all[2 * k + 1]});
        cell_weights.push_back(mass[k] * diamond::square(plane::cell));
    }
    double across = 0.0, among_points = 0.0, among_cells = 0.0, squares = 0.0;
    std::map<std::int32_t, double> of_family;
    for (std::size_t j = 0; j < weights.size(); ++j) {
        const double x = points[2 * j], y = points[2 * j + 1];
        across += weights[j] * mean_distance(x, y, cells, cell_weights);
        for (std::size_t i = 0; i < j; ++i)
            if (families[i] != families[j])
                among_points += 2.0 * weights[j] * weights[i] *
                                std::hypot(points[2 * i] - x, points[2 * i + 1] - y);
        of_family[families[j]] += weights[j];
    }
    for (const auto& [family, weight] : of_family) squares += diamond::square(weight);
    for (std::size_t k = 0; k < cell_weights.size(); ++k)
        among_cells += cell_weights[k] * mean_distance(cells[2 * k], cells[2 * k + 1], cells, cell_weights);
    return 2.0 * across - among_points / (1.0 - squares) - among_cells;
}

} // namespace toy
