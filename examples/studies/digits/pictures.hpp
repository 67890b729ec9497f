/// This header draws the pictures of `align`.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/png.hpp>

#include "report.hpp"

namespace digits {

/// Returns `count` samples that are chosen in proportion to their weights, evenly spread.
inline floats choose(const floats& samples, const std::vector<double>& weights, std::size_t count) {
    floats chosen;
    double cumulative = 0.0;
    for (std::size_t j = 0, k = 0; j < weights.size() && k < count; ++j) {
        cumulative += weights[j];
        for (; k < count && (static_cast<double>(k) + 0.5) / static_cast<double>(count) < cumulative; ++k)
            chosen.insert(chosen.end(), samples.begin() + static_cast<index_t>(j) * pixels,
                          samples.begin() + static_cast<index_t>(j + 1) * pixels);
    }
    return chosen;
}

inline constexpr std::size_t shown = 20; // samples of a method in a picture
inline constexpr diamond::plot::value_range ink_on_paper{1, -1};

/// Draws one labelled row for each method, with the truth above them.
inline diamond::plot::image_grid sample_grid(const task& t,
                                             const std::vector<std::pair<row, outcome>>& results,
                                             const row& truth) {
    diamond::plot::image_grid grid{
        .title = "Reward: " + t.title, .shape = shape, .shades = ink_on_paper, .zoom = 5};
    if (!t.reference.empty()) {
        auto known = t.reference;
        for (float& pixel : known)
            if (std::isnan(pixel)) pixel = -0.6f; // a light grey
        grid.rows.push_back({.label = "measured", .pixels = known, .note = "grey: not measured"});
    }
    const auto add = [&](const row& line, const floats& samples, const std::vector<double>& weights) {
        grid.rows.push_back({.label = line.title,
                             .pixels = choose(samples, weights, shown),
                             .note = "mean reward " + number(line.mean_reward)});
    };
    add(truth, t.truth, studies::equal_weights(static_cast<index_t>(t.truth.size()) / pixels));
    for (const auto& [line, result] : results) add(line, result.samples, result.weights);
    return grid;
}

/// Draws the lineages of a few final particles of SMC. Each is a row of states x_t above a row of denoised
/// ones, with a column for each time of the story.
inline diamond::plot::image_grid story(const subject& model, const task& t, const outcome& result) {
    constexpr std::size_t lineages = 4;
    const std::size_t steps = result.steps.size(), columns = result.states.size(), n = result.weights.size();
    diamond::plot::image_grid grid{.title = "SMC with DDPM posterior, " + t.title + ": lineages over t",
                                   .shape = shape,
                                   .shades = ink_on_paper,
                                   .zoom = 5};
    std::vector<double> times;
    for (std::size_t step = 1; step <= steps; ++step)
        if (in_story(static_cast<index_t>(step), static_cast<index_t>(steps)))
            times.push_back(result.steps[step - 1].time);
    for (const double time : times) grid.headings.push_back(number(time, "%.2f"));
    for (std::size_t k = 0; k < lineages; ++k) {
        // A particle is chosen in proportion to its weight, and its ancestors are followed back.
        double cumulative = 0.0;
        std::size_t at = 0;
        while (at + 1 < n && (cumulative += result.weights[at]) < (static_cast<double>(k) + 0.5) / lineages)
            ++at;
        floats path(columns * pixels);
        for (std::size_t step = steps, column = columns; step > 0; --step) {
            if (in_story(static_cast<index_t>(step), static_cast<index_t>(steps))) {
                --column;
                std::copy_n(result.states[column].begin() + static_cast<index_t>(at) * pixels, pixels,
                            path.begin() + static_cast<index_t>(column) * pixels);
            }
            if (!result.ancestors[step - 1].empty())
                at = static_cast<std::size_t>(result.ancestors[step - 1][at]);
        }
        const floats denoised = model.denoise(path, times);
        grid.rows.push_back(
            {.label = "particle " + std::to_string(k + 1) + ": xₜ", .pixels = path, .note = ""});
        grid.rows.push_back({.label = "E[z | xₜ]", .pixels = denoised, .note = ""});
    }
    return grid;
}

/// Draws the effective sample size over t for every method that has one.
inline diamond::plot::line_plot ess_plot(const task& t, const std::vector<std::pair<row, outcome>>& results) {
    diamond::plot::line_plot plot{
        .title = "Effective sample size: " + t.title,
        .x = {.label = "t", .range = diamond::plot::value_range{0, 1}},
        .y = {.label = "ESS / N before resampling", .range = diamond::plot::value_range{0, 1}}};
    for (const auto& [line, result] : results) {
        if (result.steps.empty()) continue;
        diamond::plot::curve curve{.name = line.title};
        for (const auto& step : result.steps) {
            curve.x.push_back(step.time);
            curve.y.push_back(step.ess / static_cast<double>(result.weights.size()));
        }
        plot.curves.push_back(curve);
    }
    plot.references.push_back({.y = 0.5, .name = "resampled below"});
    return plot;
}

/// Puts two pictures side by side.
inline diamond::plot::canvas beside(const diamond::plot::canvas& left, const diamond::plot::canvas& right) {
    diamond::plot::canvas both(left.width() + right.width(), std::max(left.height(), right.height()));
    double at = 0.0;
    for (const auto* part : {&left, &right}) {
        both.shade({at, 0.0, at + part->width(), part->height()}, [&](double u, double v) {
            return part->pixel(static_cast<int>(u * part->pixels_wide()),
                               static_cast<int>(v * part->pixels_high()));
        });
        at += part->width();
    }
    return both;
}

/// A sweep holds the rows of one model at all budgets.
struct sweep {
    std::string title;
    std::vector<row> rows = {};
};

/// Draws the mean reward against the evaluations for each returned sample, with a curve for each method, a
/// panel for each model, and shared axes. The aim is the reward of the exact tilted model, not the highest
/// one.
inline diamond::plot::canvas sweep_plot(const task& t, std::vector<sweep> sweeps, double truth_reward) {
    using namespace diamond::plot;
    std::erase_if(sweeps, [](const sweep& s) { return s.rows.empty(); });
    std::vector<line_plot> plots;
    value_range x{std::numeric_limits<double>::infinity(), 0.0}, y{truth_reward, truth_reward};
    for (const auto& [title, rows] : sweeps) {
        plots.push_back(
            {.title = sweeps.size() == 1 ? "Reward against evaluations: " + t.title : t.name + ", " + title,
             .x = {.label = "network evaluations for each returned sample", .scale = axis_scale::logarithmic},
             .y = {.label = "mean reward"}});
        for (const auto& m : method_names()) {
            curve line{.name = m.title};
            for (const auto& r : rows) {
                // The prior lies below all others and would set the scale.
                if (r.method != m.name || (r.method == "prior" && rows.size() > 1)) continue;
                line.x.push_back(static_cast<double>(r.evaluations) / static_cast<double>(r.returned));
                line.y.push_back(r.mean_reward);
                line.error.push_back(r.mean_reward_se);
                const double error = std::isfinite(r.mean_reward_se) ? r.mean_reward_se : 0.0;
                x = {std::min(x.from, line.x.back()), std::max(x.to, line.x.back())};
                y = {std::min(y.from, r.mean_reward - error), std::max(y.to, r.mean_reward + error)};
            }
            if (!line.x.empty()) plots.back().curves.push_back(line);
        }
        plots.back().references.push_back({.y = truth_reward, .name = "exact tilted model"});
    }
    if (plots.size() == 1) return draw(plots[0]);
    constexpr double margin = 0.04; // as a share of the length of an axis
    const double room = margin * (y.to - y.from), factor = std::pow(x.to / x.from, margin);
    for (auto& plot : plots) {
        plot.x.range = {x.from / (1.1 * factor), x.to * (1.1 * factor)};
        plot.y.range = {y.from - room, y.to + room};
    }
    for (auto& line : plots[0].curves) line.name.clear(); // the legend stands on the right
    plots[0].references[0].name.clear();
    return beside(draw(plots[0]), draw(plots[1]));
}

} // namespace digits
