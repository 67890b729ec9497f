// What a run leaves in its folder: report.json, report.md and the pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <diamond/io/grid.hpp>
#include <diamond/io/json.hpp>
#include <diamond/io/plot.hpp>
#include <diamond/io/png.hpp>

#include "energy_distance.hpp"
#include "judge.hpp"
#include "methods.hpp"

namespace digits {

/// A line of the report: what a method reached at what price.
struct row {
    std::string           reward = {}, method = {}, title = {};
    double                mean_reward = NAN, mean_reward_se = NAN;
    std::optional<double> ess = {}, log_z = {}, log_z_se = {}, log_z_exact = {};
    std::int64_t          evaluations = 0, reward_calls = 0;
    index_t               returned    = 0;
    double                seconds     = 0.0;
    std::optional<double> energy_distance = {}, judge_accuracy = {};
    std::string           device = {};
    std::vector<std::string> warnings = {};
};

/// The weighted mean reward and its standard error; samples of one SMC family count as one.
inline void measure_reward(const context& where, const task& t, const outcome& result, row& line) {
    const auto n = static_cast<index_t>(result.weights.size());
    std::vector<double> rewards(result.weights.size());
    const auto z = diamond::from_host<real>(where, pixels, n, result.samples);
    t.reward(z.read(), rewards.data());
    line.mean_reward = 0.0;
    for (std::size_t j = 0; j < rewards.size(); ++j) line.mean_reward += result.weights[j] * rewards[j];
    std::map<std::int32_t, double> by_family;
    for (std::size_t j = 0; j < rewards.size(); ++j)
        by_family[result.families.empty() ? static_cast<std::int32_t>(j) : result.families[j]] += result.weights[j] * (rewards[j] - line.mean_reward);
    double sum = 0.0;
    for (const auto& [family, residual] : by_family) sum += diamond::square(residual);
    line.mean_reward_se = std::sqrt(sum);
}

inline row describe(const context& where, const task& t, const method& m, const outcome& result, const judge& judged, double truth_spread) {
    row line{.reward = t.name, .method = m.name, .title = m.title};
    measure_reward(where, t, result, line);
    line.ess             = result.ess;
    line.log_z           = result.log_z;
    line.log_z_se        = result.log_z_se;
    line.log_z_exact     = t.log_z_exact;
    line.evaluations     = result.spent.evaluations();
    line.reward_calls    = result.spent.reward;
    line.returned        = result.returned;
    line.seconds         = result.seconds;
    line.energy_distance = energy_distance(result.samples, result.weights, t.truth, truth_spread);
    if (t.wanted) line.judge_accuracy = judged.share_of(*t.wanted, result.samples, result.weights);
    line.device   = context::device_name();
    line.warnings = result.warnings;
    return line;
}

inline nlohmann::ordered_json to_json(const row& line) {
    const auto optional = [](const std::optional<double>& x) { return x ? nlohmann::ordered_json(*x) : nlohmann::ordered_json(nullptr); };
    return {{"reward", line.reward},
            {"method", line.method},
            {"mean_reward", line.mean_reward},
            {"mean_reward_se", line.mean_reward_se},
            {"ess", optional(line.ess)},
            {"log_z", optional(line.log_z)},
            {"log_z_se", optional(line.log_z_se)},
            {"log_z_exact", optional(line.log_z_exact)},
            {"evaluations", line.evaluations},
            {"reward_calls", line.reward_calls},
            {"seconds", line.seconds},
            {"energy_distance", optional(line.energy_distance)},
            {"judge_accuracy", optional(line.judge_accuracy)},
            {"device", line.device}};
}

inline std::string number(std::optional<double> x, const char* format = "%.3g") {
    if (!x || !std::isfinite(*x)) return "–";
    char text[48];
    std::snprintf(text, sizeof text, format, *x);
    return text;
}

/// `count` samples chosen in proportion to their weights, evenly spread.
inline floats choose(const floats& samples, const std::vector<double>& weights, std::size_t count) {
    floats              chosen;
    double              cumulative = 0.0;
    for (std::size_t j = 0, k = 0; j < weights.size() && k < count; ++j) {
        cumulative += weights[j];
        for (; k < count && (static_cast<double>(k) + 0.5) / static_cast<double>(count) < cumulative; ++k)
            chosen.insert(chosen.end(), samples.begin() + static_cast<index_t>(j) * pixels, samples.begin() + static_cast<index_t>(j + 1) * pixels);
    }
    return chosen;
}

inline constexpr std::size_t shown = 20; // samples of a method in a picture
inline constexpr diamond::io::extent ink_on_paper{1, -1};

/// One labelled row a method, the truth above them.
inline diamond::io::image_grid sample_grid(const task& t, const std::vector<std::pair<row, outcome>>& results) {
    diamond::io::image_grid grid{.title = "Reward: " + t.title, .shape = shape, .shades = ink_on_paper, .zoom = 5};
    if (!t.reference.empty()) {
        auto known = t.reference;
        for (float& pixel : known)
            if (std::isnan(pixel)) pixel = 0.4f; // not measured: a light grey
        grid.rows.push_back({.label = "measured", .pixels = known, .note = ""});
    }
    grid.rows.push_back({.label = "exact tilted model", .pixels = choose(t.truth, detail::equal_weights(static_cast<index_t>(t.truth.size()) / pixels), shown), .note = "the truth"});
    for (const auto& [line, result] : results)
        grid.rows.push_back({.label = line.title, .pixels = choose(result.samples, result.weights, shown), .note = "mean reward " + number(line.mean_reward)});
    return grid;
}

/// The lineages of a few final particles of SMC: each a row of states x_t above a row of denoised ones, a column a time.
inline diamond::io::image_grid story(const context& where, const model& exact, const task& t, const outcome& result) {
    constexpr std::size_t lineages = 4;
    const std::size_t     steps = result.steps.size(), n = result.weights.size();
    diamond::io::image_grid grid{.title = "SMC with DDPM posterior, " + t.title + ": lineages over t", .shape = shape, .shades = ink_on_paper, .zoom = 5};
    for (const auto& step : result.steps) grid.headings.push_back(number(step.time, "%.2g"));
    auto space = exact.make_workspace(where, static_cast<index_t>(steps));
    for (std::size_t k = 0; k < lineages; ++k) {
        // A particle in proportion to its weight, then back through the ancestors.
        double      cumulative = 0.0;
        std::size_t at = 0;
        while (at + 1 < n && (cumulative += result.weights[at]) < (static_cast<double>(k) + 0.5) / lineages) ++at;
        floats path(steps * pixels);
        for (std::size_t step = steps; step-- > 0;) {
            std::copy_n(result.states[step].begin() + static_cast<index_t>(at) * pixels, pixels, path.begin() + static_cast<index_t>(step) * pixels);
            if (!result.ancestors[step].empty()) at = static_cast<std::size_t>(result.ancestors[step][at]);
        }
        std::vector<double> times;
        for (const auto& step : result.steps) times.push_back(step.time);
        const auto x = diamond::from_host<real>(where, pixels, static_cast<index_t>(steps), path);
        batch      d(where, pixels, static_cast<index_t>(steps));
        exact.denoiser(x.read(), diamond::times(times.data()), diamond::no_condition{}, space, d.mutable_view());
        grid.rows.push_back({.label = "x_t", .pixels = path, .note = ""});
        grid.rows.push_back({.label = "E[z | x_t]", .pixels = diamond::to_host(d), .note = ""});
    }
    return grid;
}

/// Effective sample size and mean value over t.
inline diamond::io::line_plot story_plot(const task& t, const std::vector<std::pair<row, outcome>>& results) {
    diamond::io::line_plot plot{.title = "Effective share of the particles before resampling: " + t.title, .x = {.label = "t", .range = diamond::io::extent{0, 1}},
                                .y = {.label = "ESS / N", .range = diamond::io::extent{0, 1}}};
    for (const auto& [line, result] : results) {
        if (result.steps.empty()) continue;
        diamond::io::curve curve{.name = line.title};
        for (const auto& step : result.steps) {
            curve.x.push_back(step.time);
            curve.y.push_back(step.ess / static_cast<double>(result.weights.size()));
        }
        plot.curves.push_back(curve);
    }
    plot.references.push_back({.y = 0.5, .name = "resampled below"});
    return plot;
}

/// Mean reward against evaluations for each returned sample, a curve a method.
inline diamond::io::line_plot sweep_plot(const task& t, const std::vector<row>& rows, double truth_reward) {
    diamond::io::line_plot plot{.title = "Reward against evaluations: " + t.title,
                                .x     = {.label = "network evaluations for each sample", .scale = diamond::io::axis_scale::logarithmic},
                                .y     = {.label = "mean reward"}};
    for (const auto& m : methods()) {
        diamond::io::curve curve{.name = m.title};
        for (const auto& line : rows)
            if (line.reward == t.name && line.method == m.name) {
                curve.x.push_back(static_cast<double>(line.evaluations) / static_cast<double>(line.returned));
                curve.y.push_back(line.mean_reward);
                curve.error.push_back(line.mean_reward_se);
            }
        if (!curve.x.empty()) plot.curves.push_back(curve);
    }
    plot.references.push_back({.y = truth_reward, .name = "exact tilted model"});
    return plot;
}

/// Writes a text file, whole or not at all.
inline void write_text(const std::filesystem::path& path, const std::string& text) { diamond::io::write_atomically(path, {std::as_bytes(std::span(text))}); }

inline std::string markdown(const std::vector<task>& tasks, const std::vector<row>& rows, const std::string& setting) {
    std::string text = "# Aligning the exact model of handwritten digits\n\n" + setting + "\n";
    for (const auto& t : tasks) {
        text += "\n## " + t.title + "\n\n![samples](samples_" + t.name + ".png)\n\n";
        if (t.log_z_exact) text += "Exact log Z: " + number(t.log_z_exact, "%.4f") + ".\n\n";
        text += "| method | mean reward | ESS | log Z | evaluations | of rewards | seconds | energy distance | judged right |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
        for (const auto& line : rows) {
            if (line.reward != t.name) continue;
            text += "| " + line.title + " | " + number(line.mean_reward) + " ± " + number(line.mean_reward_se, "%.1g") + " | " + number(line.ess, "%.0f") + " | " +
                    (line.log_z ? number(line.log_z, "%.3f") + " ± " + number(line.log_z_se, "%.3f") : "–") + " | " + std::to_string(line.evaluations) + " | " +
                    std::to_string(line.reward_calls) + " | " + number(line.seconds, "%.2f") + " | " + number(line.energy_distance, "%.3f") + " | " +
                    (line.judge_accuracy ? number(100.0 * *line.judge_accuracy, "%.0f") + " %" : "–") + " |\n";
        }
        for (const auto& line : rows)
            if (line.reward == t.name)
                for (const auto& warning : line.warnings) text += "\n- **" + line.title + "**: " + warning;
        text += "\n\n![reward against evaluations](sweep_" + t.name + ".png)\n\n![lineages](story_" + t.name + ".png)\n\n![effective sample size](ess_" + t.name + ".png)\n";
    }
    return text;
}

} // namespace digits
