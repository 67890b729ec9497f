/// This header writes what a run of `align` leaves in its folder, report.json and report.md. The pictures are
/// in pictures.hpp.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/json.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/output_folder.hpp"
#include "judge.hpp"
#include "methods.hpp"
#include "text.hpp"

namespace digits {

/// A row is a line of the report: what a method reached at which cost.
struct row {
    std::string reward = {}, method = {}, title = {};
    double mean_reward = NAN, mean_reward_se = NAN;
    std::optional<double> ess = {}, log_z = {}, log_z_se = {}, log_z_exact = {}, correction_ess = {};
    std::int64_t evaluations = 0, reward_calls = 0;
    index_t returned = 0;
    double seconds = 0.0;
    std::optional<double> energy_distance = {}, energy_distance_se = {}, judge_accuracy = {};
    std::string device = {}, model = {};
    exactness exact_for = {};
    std::string otherwise = {}; ///< what the method does if it is exact for nothing
    std::vector<std::string> warnings = {};
    std::optional<std::string> failure = {}; ///< why a run has no samples
};

/// Says in words for what a row is exact.
inline std::string words_of(const row& line) {
    std::string words;
    for (const auto& [holds, word] :
         {std::pair{line.exact_for.sampler, "sampler"}, std::pair{line.exact_for.density, "density"},
          std::pair{line.exact_for.model, "model"}})
        if (holds) words += (words.empty() ? "" : ", ") + std::string(word);
    return words.empty() ? line.otherwise : words;
}

/// Runs a method. If its numbers are not finite, the outcome says so, and the other methods go on.
inline outcome attempt(const subject::method& method, const task& t, const method_options& o,
                       const progress& tell) {
    try {
        return method(t, o, tell);
    } catch (const diamond::numeric_error& error) {
        return {.failure = error.what()};
    }
}

/// Measures the weighted mean reward and its standard error. Samples of one family count as one, so that a
/// single family states no error.
inline void measure_reward(const context& where, const task& t, const outcome& result, row& line) {
    const auto n = static_cast<index_t>(result.weights.size());
    std::vector<double> rewards(result.weights.size());
    const auto z = diamond::from_host<real>(where, pixels, n, result.samples);
    t.reward(z.read(), diamond::row(where, n, rewards.data()));
    line.mean_reward = 0.0;
    for (std::size_t j = 0; j < rewards.size(); ++j) line.mean_reward += result.weights[j] * rewards[j];
    std::map<std::int32_t, double> by_family;
    for (std::size_t j = 0; j < rewards.size(); ++j)
        if (result.weights[j] > 0.0)
            by_family[result.families[j]] += result.weights[j] * (rewards[j] - line.mean_reward);
    double sum = 0.0;
    for (const auto& [family, residual] : by_family) sum += diamond::square(residual);
    line.mean_reward_se = by_family.size() > 1 ? std::sqrt(sum) : NAN;
}

inline row describe(const context& where, const task& t, const subject& model, const method_name& m,
                    const outcome& result, const judge& judged, const studies::sample& truth) {
    row line{.reward = t.name,
             .method = m.name,
             .title = m.title,
             .log_z_exact = t.log_z_exact,
             .device = model.device,
             .model = model.name,
             .otherwise = m.otherwise,
             .failure = result.failure};
    if (line.failure) return line;
    measure_reward(where, t, result, line);
    line.ess = result.ess;
    line.correction_ess = result.correction_ess;
    line.log_z = result.log_z;
    line.log_z_se = result.log_z_se;
    line.evaluations = result.spent.evaluations();
    line.reward_calls = result.spent.reward;
    line.returned = result.returned;
    line.seconds = result.seconds;
    const studies::sample found(studies::cloud(result.samples, pixels), result.weights, result.families);
    if (const auto far = energy_distance(found, truth); std::isfinite(far.value)) {
        line.energy_distance = far.value;
        line.energy_distance_se = far.standard_error;
    }
    if (t.wanted) line.judge_accuracy = judged.share_of(*t.wanted, result.samples, result.weights);
    line.exact_for = result.exact_for;
    line.warnings = result.warnings;
    return line;
}

inline nlohmann::ordered_json to_json(const row& line) {
    const auto optional = [](const auto& x) {
        return x ? nlohmann::ordered_json(*x) : nlohmann::ordered_json(nullptr);
    };
    return {{"reward", line.reward},
            {"method", line.method},
            {"mean_reward", line.mean_reward},
            {"mean_reward_se", line.mean_reward_se},
            {"ess", optional(line.ess)},
            {"log_z", optional(line.log_z)},
            {"log_z_se", optional(line.log_z_se)},
            {"log_z_exact", optional(line.log_z_exact)},
            {"correction_ess", optional(line.correction_ess)},
            {"evaluations", line.evaluations},
            {"reward_calls", line.reward_calls},
            {"seconds", line.seconds},
            {"energy_distance", optional(line.energy_distance)},
            {"energy_distance_se", optional(line.energy_distance_se)},
            {"judge_accuracy", optional(line.judge_accuracy)},
            {"device", line.device},
            {"model", line.model},
            {"exact_for_sampler", line.exact_for.sampler},
            {"exact_for_density", line.exact_for.density},
            {"exact_for_model", line.exact_for.model},
            {"exact_for", words_of(line)},
            {"failure", optional(line.failure)}};
}

/// This type is a picture that has been written.
struct picture {
    std::string file, caption;
};

/// A section is all that the report says about one task.
struct section {
    task about;
    row truth; ///< the mean reward of the exact tilted model
    std::vector<row> rows = {};
    std::vector<picture> pictures = {};
    std::vector<std::string> failures = {}; ///< of runs with smaller budgets
};

/// Says whether the unbiased estimates of one Z, those of SMC with full weights, agree, by the pair that is
/// the most standard errors apart.
inline std::string agreement(const std::vector<row>& rows) {
    const row *one = nullptr, *other = nullptr;
    double most = -1.0;
    for (const auto& a : rows)
        for (const auto& b : rows) {
            if (&a >= &b || !a.log_z_se || !b.log_z_se || !a.method.starts_with("smc") ||
                !b.method.starts_with("smc"))
                continue;
            const double apart = std::abs(*a.log_z - *b.log_z) / std::hypot(*a.log_z_se, *b.log_z_se);
            if (apart > most) {
                most = apart;
                one = &a;
                other = &b;
            }
        }
    if (!one) return "";
    return "\nThe estimates of log Z by " + one->title + " and by " + other->title + " differ the most, by " +
           number(std::abs(*one->log_z - *other->log_z), "%.2f") + ": " + number(most, "%.1f") +
           " standard errors of the difference.\n";
}

/// Returns the table of what the methods reached, one row each.
inline studies::table table_of(const section& part) {
    studies::table result{part.about.name,
                          part.about.title,
                          part.about.title + ".",
                          {"method", "mean reward", "ESS", "log Z", "evaluations", "of rewards", "seconds",
                           "energy distance", "judged right", "exact for"}};
    for (const auto& line : part.rows) {
        if (line.failure) {
            result.add({line.title, "died", "–", "–", "–", "–", "–", "–", "–", "–"}, line.method);
            continue;
        }
        result.add(
            {line.title, figure(line.mean_reward, line.mean_reward_se, "%.3g", "%.1g"),
             figure(line.ess, "%.0f"), figure(line.log_z, line.log_z_se, "%.3f", "%.3f"),
             count(line.evaluations), count(line.reward_calls), figure(line.seconds, "%.2f"),
             figure(line.energy_distance, line.energy_distance_se, "%.3f", "%.1g"),
             line.judge_accuracy ? figure(100.0 * *line.judge_accuracy, "%.0f %%") : studies::cell("–"),
             words_of(line)},
            line.method);
    }
    return result;
}

/// Returns the table of what the exact tilted models say about the rewards.
inline studies::table truths_of(const std::vector<section>& sections) {
    studies::table result{
        "exact tilted model", "The exact tilted model", "", {"reward", "mean reward", "log Z"}};
    for (const auto& part : sections)
        result.add({part.about.name,
                    figure(part.truth.mean_reward, part.truth.mean_reward_se, "%.3g", "%.1g"),
                    figure(part.about.log_z_exact, "%.4f")});
    return result;
}

inline std::string markdown(const std::vector<section>& sections, const std::string& title,
                            const std::string& setting) {
    std::string text = "# Aligning " + title + " of handwritten digits\n\n" + setting + "\n";
    for (const auto& part : sections) {
        const auto& [t, truth, rows, pictures, failures] = part;
        text += "\n## " + t.title + "\n\nThe exact tilted model: mean reward " + number(truth.mean_reward) +
                " ± " + number(truth.mean_reward_se, "%.1g") +
                (t.log_z_exact ? ", log Z " + number(t.log_z_exact, "%.4f") : "") + ".\n\n";
        text += markdown_of(table_of(part));
        text += agreement(rows);
        for (const auto& line : rows)
            if (line.failure) text += "\n- **" + line.title + "** died: " + *line.failure;
        for (const auto& failure : failures) text += "\n- " + failure;
        for (const auto& line : rows)
            for (const auto& warning : line.warnings) text += "\n- **" + line.title + "**: " + warning;
        for (const auto& [file, caption] : pictures) text += "\n\n![" + caption + "](" + file + ")";
        text += "\n";
    }
    return text;
}

inline const std::vector<std::string>& picture_kinds() {
    static const std::vector<std::string> kinds{"samples", "sweep", "story", "ess"};
    return kinds;
}

/// Makes the folder if it is missing, and removes the report and the pictures of an earlier run, and nothing
/// else.
/// @throws diamond::io::file_error if the folder cannot be made or written to, before any work is done.
inline void prepare(const std::filesystem::path& folder) {
    studies::make_folder_of(folder / "report.md");
    write_text(folder / "report.md", "This run is not done, or was broken off.\n");
    std::filesystem::remove(folder / "report.json");
    for (const auto& kind : picture_kinds())
        for (const auto& name : task_names()) std::filesystem::remove(folder / (kind + "_" + name + ".png"));
}

} // namespace digits
