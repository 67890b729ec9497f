/// This header draws the pictures: errors of values, posterior draws, and Z by evaluations.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>

#include "../shared/panel.hpp"
#include "study.hpp"

namespace self_correction {

inline diamond::plot::line_plot picture_of_values(std::vector<diamond::plot::curve> curves) {
    return {.title = "Weighted Diamond: the error that a density brings into V",
            .x = {.label = "t"},
            .y = {.label = "root mean square over 8 states, nats",
                  .scale = diamond::plot::axis_scale::logarithmic},
            .curves = std::move(curves)};
}

/// This type is one run of SMC, or many.
struct measured_run {
    std::string name;
    double ratio, error, evaluations;
};

inline diamond::plot::line_plot picture_of_runs(const std::vector<measured_run>& runs) {
    diamond::plot::line_plot plot{
        .title = "Sequential Monte Carlo: Z by what a particle cost",
        .x = {.label = "network evaluations a particle", .scale = diamond::plot::axis_scale::logarithmic},
        .y = {.label = "Ẑ/Z, ± standard error"},
        .references = {{.y = 1.0, .name = "exact"}}};
    for (const auto& run : runs) {
        const auto& palette = diamond::plot::colours::palette;
        const auto has = [&](const char* what) { return run.name.find(what) != std::string::npos; };
        const std::size_t of = has("GLASS, exact")  ? 6
                             : has("GLASS")         ? 5
                             : has("joint density") ? 2
                             : has("determinants")  ? 0
                             : has("head")          ? 3
                                                    : 1;
        plot.curves.push_back({.name = run.name,
                               .x = {run.evaluations},
                               .y = {run.ratio},
                               .error = {run.error},
                               .joined = false,
                               .colour = palette[of]});
    }
    return plot;
}

} // namespace self_correction
