/// This header draws the losses of a training as pictures.
#pragma once

#include <filesystem>
#include <string>

#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/png.hpp>
#include <diamond/train/training_state.hpp>

namespace digits {

/// Draws the losses against the step. The loss on the diagonal is mostly the variance of the data, which no
/// network removes.
inline void write_curves(const std::filesystem::path& folder, const std::string& name,
                         const diamond::loss_curve& losses) {
    using namespace diamond::plot;
    const auto draw_one = [&](const std::string& kind, const diamond::loss_curve::points& points,
                              axis_scale scale) {
        if (points.step.empty()) return;
        line_plot plot{.title = name + ": " + kind + " loss",
                       .x = {.label = "step"},
                       .y = {.label = "mean weighted square", .scale = scale}};
        plot.curves.push_back({.x = points.step, .y = points.loss, .marked = false});
        write_png(folder / (name + "_" + kind + ".png"), plot);
    };
    draw_one("diagonal", losses.diagonal(), axis_scale::linear);
    draw_one("lagrangian", losses.off_diagonal(), axis_scale::logarithmic);
}

} // namespace digits
