// The report's tables, as Markdown that a terminal shows well, too; and its pictures.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/file.hpp>
#include <diamond/io/panels.hpp>
#include <diamond/io/plot.hpp>
#include <diamond/io/png.hpp>
#include <diamond/train/loss_curve.hpp>

#include "../toy_2d/plane.hpp"
#include "measure.hpp"

namespace learned {

template <class... Numbers>
std::string text(const char* format, Numbers... numbers) {
    std::string result(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, numbers...)), ' ');
    std::snprintf(result.data(), result.size() + 1, format, numbers...);
    return result;
}

/// Lines that are printed as they come, and end in a file.
class report {
public:
    void line(const std::string& what) {
        text_ += what + "\n";
        std::printf("%s\n", what.c_str());
        std::fflush(stdout);
    }
    void row(const std::vector<std::string>& cells) {
        std::string whole = "|";
        for (const auto& cell : cells) whole += " " + cell + " |";
        line(whole);
    }
    void head(const std::vector<std::string>& cells) {
        line("");
        row(cells);
        row(std::vector<std::string>(cells.size(), "---"));
    }
    /// Writes a picture, and names it here.
    template <class Picture>
    void picture(const std::filesystem::path& folder, const std::string& name, const Picture& drawn) {
        diamond::io::write_png(folder / (name + ".png"), drawn);
        text_ += "\n![" + name + "](" + name + ".png)\n";
    }
    void write(const std::filesystem::path& path) const { diamond::io::write_atomically(path, {diamond::io::bytes_of(text_)}); }

private:
    std::string text_;
};

inline std::string evaluations(index_t count) { return std::to_string(count) + (count == 1 ? " evaluation" : " evaluations"); }
inline std::string number(const root_mean_square& of) { return text("%.3f ± %.3f", of.value, of.standard_error); }

/// Mean, covariance and weights as cells, behind a name.
inline std::vector<std::string> cells(const std::string& name, const moments& of) {
    std::vector<std::string> result{name, text("(%.3f, %.3f)", of.mean[0], of.mean[1]),
                                    text("%.3f, %.3f, %.3f", of.covariance[0], of.covariance[1], of.covariance[2])};
    if (of.weights.empty()) return result;
    result.emplace_back();
    for (const double weight : of.weights) result.back() += (result.back().empty() ? "" : ", ") + text("%.3f", weight);
    return result;
}

/// Points on a density that is pale enough for them to be seen.
inline diamond::io::panel panel(std::string title, const toy::density& below, std::vector<float> points) {
    constexpr double paleness = 1.6;
    const auto values         = below.normalised();
    const double high         = *std::max_element(values.begin(), values.end());
    return {.title   = std::move(title),
            .density = diamond::io::heat_map{.columns = below.plane.columns(),
                                             .rows    = below.plane.rows(),
                                             .values  = values,
                                             .shades  = diamond::io::value_range{0.0, paleness * high},
                                             .colours = diamond::io::colours::blues},
            .clouds  = {{.points = std::move(points), .colour = diamond::io::colours::palette[1], .radius = 0.9, .alpha = 0.7}}};
}

/// Both losses against the step.
inline diamond::io::line_plot plot_of(const std::string& title, const diamond::loss_curve& losses) {
    const auto diagonal = losses.diagonal(), lagrangian = losses.off_diagonal();
    return {.title  = title,
            .x      = {.label = "step"},
            .y      = {.label = "loss, mean of a hundredth of the training", .scale = diamond::io::axis_scale::logarithmic},
            .curves = {{.name = "diagonal: what is left is its targets' noise", .x = diagonal.step, .y = diagonal.loss, .marked = false},
                       {.name = "Lagrangian, off the diagonal", .x = lagrangian.step, .y = lagrangian.loss, .marked = false}}};
}

} // namespace learned
