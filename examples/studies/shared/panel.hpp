/// This header draws points on a density of the plane.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/panels.hpp>

#include "plane.hpp"

namespace studies {

/// Draws points on a density that is pale enough for them to be seen.
inline diamond::plot::panel panel(std::string title, const density& below, std::vector<float> points) {
    constexpr double paleness = 1.6;
    const auto values = below.normalised();
    const double high = *std::max_element(values.begin(), values.end());
    return {.title = std::move(title),
            .density = diamond::plot::heat_map{.columns = below.plane.columns(),
                                               .rows = below.plane.rows(),
                                               .values = values,
                                               .shades = diamond::plot::value_range{0.0, paleness * high},
                                               .colours = diamond::plot::colours::blues},
            .clouds = {{.points = std::move(points),
                        .colour = diamond::plot::colours::palette[1],
                        .radius = 0.9,
                        .alpha = 0.7}}};
}

} // namespace studies
