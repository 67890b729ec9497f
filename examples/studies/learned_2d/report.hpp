/// This header makes cells of the report, and the picture of a training.
#pragma once

#include <string>
#include <vector>

#include <diamond/plot/line_plot.hpp>
#include <diamond/train/training_state.hpp>

#include "../shared/panel.hpp"
#include "../shared/report.hpp"
#include "measure.hpp"

namespace learned {

using studies::cell, studies::evaluations, studies::panel, studies::report, studies::text;

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

/// Draws both losses against the step.
inline diamond::plot::line_plot plot_of(const std::string& title, const diamond::loss_curve& losses) {
    const auto diagonal = losses.diagonal(), lagrangian = losses.off_diagonal();
    return {.title = title,
            .x = {.label = "step"},
            .y = {.label = "loss, mean of a hundredth of the training",
                  .scale = diamond::plot::axis_scale::logarithmic},
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
