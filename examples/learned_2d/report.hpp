/// This header makes cells and pictures of the report.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/panels.hpp>
#include <diamond/io/plot.hpp>
#include <diamond/train/training_state.hpp>

#include "../report.hpp"
#include "../toy_2d/plane.hpp"
#include "measure.hpp"

namespace learned {

using examples::cell, examples::report, examples::text;

inline std::string evaluations(index_t count) {
    return std::to_string(count) + (count == 1 ? " evaluation" : " evaluations");
}
inline cell number(const root_mean_square& of) { return {"%.3f ± %.3f", of.value, of.standard_error}; }

/// Returns the mean, the covariance and the weights as cells behind a name.
inline std::vector<cell> cells(const std::string& name, const moments& of) {
    std::vector<cell> result{name,
                             {"(%.3f, %.3f)", of.mean[0], of.mean[1]},
                             {"%.3f, %.3f, %.3f", of.covariance[0], of.covariance[1], of.covariance[2]}};
    if (of.weights.empty()) return result;
    std::string format;
    for (std::size_t k = 0; k < of.weights.size(); ++k) format += k == 0 ? "%.3f" : ", %.3f";
    result.emplace_back(format, std::vector<double>(of.weights.begin(), of.weights.end()));
    return result;
}

/// Draws points on a density that is pale enough for them to be seen.
inline diamond::io::panel panel(std::string title, const toy::density& below, std::vector<float> points) {
    constexpr double paleness = 1.6;
    const auto values = below.normalised();
    const double high = *std::max_element(values.begin(), values.end());
    return {.title = std::move(title),
            .density = diamond::io::heat_map{.columns = below.plane.columns(),
                                             .rows = below.plane.rows(),
                                             .values = values,
                                             .shades = diamond::io::value_range{0.0, paleness * high},
                                             .colours = diamond::io::colours::blues},
            .clouds = {{.points = std::move(points),
                        .colour = diamond::io::colours::palette[1],
                        .radius = 0.9,
                        .alpha = 0.7}}};
}

/// Draws both losses against the step.
inline diamond::io::line_plot plot_of(const std::string& title, const diamond::loss_curve& losses) {
    const auto diagonal = losses.diagonal(), lagrangian = losses.off_diagonal();
    return {.title = title,
            .x = {.label = "step"},
            .y = {.label = "loss, mean of a hundredth of the training",
                  .scale = diamond::io::axis_scale::logarithmic},
            .curves = {{.name = "diagonal: what is left is its targets' noise",
                        .x = diagonal.step,
                        .y = diagonal.loss,
                        .marked = false},
                       {.name = "Lagrangian, off the diagonal",
                        .x = lagrangian.step,
                        .y = lagrangian.loss,
                        .marked = false}}};
}

} // namespace learned
