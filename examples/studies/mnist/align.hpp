/// This header aligns Diamond maps with three rewards by every method, and measures by the judge.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/image_grid.hpp>

#include "../shared/energy_distance.hpp"
#include "alignment_methods.hpp"

namespace mnist {

/// The names of the rewards, in the order of the report.
inline const std::vector<std::string>& reward_names() {
    static const std::vector<std::string> names{"weights", "class", "ink"};
    return names;
}
inline std::vector<std::string> alignment_names() {
    std::vector<std::string> names;
    for (const auto& each : alignment_methods()) names.push_back(each.name);
    return names;
}

struct align_options {
    std::vector<index_t> budgets = {30}; ///< evaluations of a network for a sample
    index_t samples = 128;               ///< of each method
    index_t particles = 500;             ///< at most, of one run of SMC; several are joined
    index_t real_images = 2000;          ///< of the test part, weighted, that samples are compared with
    std::vector<std::string> models = {"taught"}, rewards = reward_names(), methods = alignment_names();
    int label = 7;           ///< the class that is wanted
    double scale = 2.0;      ///< of its log-probability
    double ink = 1.5;        ///< that is wanted, in deviations above the mean of the training images
    double ink_noise = 0.25; ///< in these deviations
    index_t shown = 16;      ///< samples of each method in the picture

    static align_options full() {
        align_options o;
        o.budgets = {30, 100, 300};
        o.samples = 1000;
        o.real_images = 10'000;
        o.models = {"taught", "diamond"};
        return o;
    }
};

namespace detail {

/// A reward, and the real images that are weighted by it.
struct align_task {
    std::string name, title, explanation;
    any_reward reward;
    class_weights wanted{};          ///< class shares of the wanted law
    floats features = {}, some = {}; ///< of the real images; and of as many as there are samples, drawn by
                                     ///< weight
    floats shown = {};               ///< real images drawn by weight
    std::optional<studies::sample> real = {};
    double ink = NAN; ///< mean of the weighted real images
    row floor = {};   ///< training images, weighted likewise
};

/// Real images of a part, with what the judge sees of them and weights exp r.
struct weighted_images {
    floats data, features;
    judged_samples seen;
};
inline weighted_images weigh(const study& from, const images& part, index_t count, index_t which,
                             const any_reward& reward) {
    const batch z = from.drawn_images(part, 0, count, which);
    weighted_images result{.data = floats(z.data(), z.data() + z.size()), .features = {}, .seen = {}};
    result.features = from.features_of(result.data);
    auto plain = studies::independent(result.data, pixels);
    result.seen = judged(from, reward, plain);
    result.seen.weights = normalised(result.seen.rewards);
    return result;
}

inline std::string shares_text(const class_weights& shares) {
    std::string text;
    for (const double s : shares) text += (text.empty() ? "" : " ") + studies::text("%.0f", 100.0 * s);
    return text;
}

class alignment {
public:
    alignment(const study& from, const align_options& o, results& told) : from_(from), o_(o), told_(told) {
        const auto counts = class_counts(from.train());
        for (std::size_t c = 0; c < prior_.size(); ++c)
            prior_[c] = static_cast<double>(counts[c]) / static_cast<double>(from.train().count());
    }

    void run() {
        std::vector<std::string> names;
        for (const auto& name : o_.models)
            if (from_.has(name) && (name != "taught" || from_.has("teacher")))
                names.push_back(name);
            else
                told_.line("\n" + name + ": no such weights in " + from_.settings().weights.string() +
                           ", and no alignment of them\n");
        diamond::require(!names.empty(), [&] {
            return from_.settings().weights.string() +
                   " has none of the Diamond maps that were asked for; the taught one needs its teacher, too";
        });
        for (const auto& name : names) families_.emplace_back(name, family_of(from_, name));
        for (const auto& name : o_.rewards) align(task_of(name));
    }

private:
    align_task task_of(const std::string& name) const {
        auto task = [&]() -> align_task {
            if (name == "weights") {
                // [weights]
                const class_weights w{0, .1, 0, .1, 0, .2, 0, .2, 0, .4};
                class_weights v{};
                for (std::size_t c = 0; c < w.size(); ++c) v[c] = w[c] / prior_[c];
                // [/weights]
                return {
                    .name = name,
                    .title = "Class weights",
                    .explanation =
                        "The reward is log of the sum of w_c p(c | z)/share_c, with w = (0, 1, 0, 1, 0, 2, "
                        "0, 2, 0, 4)/10 and the classes' shares of the training part, so that the tilted "
                        "law has the class shares w. L2 is the distance of the shares that the judge finds "
                        "to w; that of " +
                        std::to_string(o_.samples) + " independent draws of the tilted law would be " +
                        studies::text("%.3f", l2_of_draws(w, static_cast<double>(o_.samples))) +
                        ", root mean square. The protocol is that of Meta Flow Maps (arXiv 2601.14430), "
                        "of whose figures for it none is at hand.",
                    .reward = any_reward(class_reward(from_.reward(), v)),
                    .wanted = w};
            }
            if (name == "class") {
                class_weights v{};
                v[static_cast<std::size_t>(o_.label)] = 1.0;
                return {
                    .name = name,
                    .title = "One class",
                    .explanation = "The reward is " + diamond::digits_of(o_.scale) + " log p(" +
                                   std::to_string(o_.label) +
                                   " | z) of the reward's classifier; right is what the judge finds to be "
                                   "of this class.",
                    .reward = any_reward(class_reward(from_.reward(), v, o_.scale)),
                    .wanted = v};
            }
            double sum = 0.0, squares = 0.0;
            const auto n = static_cast<double>(from_.train().count());
            for (index_t j = 0; j < from_.train().count(); ++j) {
                double ink = 0.0;
                for (index_t i = 0; i < pixels; ++i)
                    ink += static_cast<double>(spread(from_.train().image(j)[i], 0.5)) / pixels;
                sum += ink / n;
                squares += ink * ink / n;
            }
            const double deviation = std::sqrt(squares - sum * sum), to = sum + o_.ink * deviation;
            return {
                .name = name,
                .title = "Ink",
                .explanation = "The mean of the pixels is pulled to " + studies::text("%.3f", to) + ", " +
                               diamond::digits_of(o_.ink) + " deviations above the mean " +
                               studies::text("%.3f", sum) +
                               " of the training images, by a Gaussian reward of deviation " +
                               studies::text("%.3f", o_.ink_noise * deviation) +
                               ". The error of the ink is that of its mean, against the real images by their "
                               "weights.",
                .reward = any_reward(ink_reward(from_.where(), to, o_.ink_noise * deviation))};
        }();
        auto real = weigh(from_, from_.test(), std::min(o_.real_images, from_.test().count()), 71,
                          task.reward);
        if (name == "ink") task.wanted = shares_of(real.seen.of, real.seen.weights);
        const auto u = from_.rng().split(72).stream(diamond::purpose::user).uniform(0);
        const auto of = [&](index_t n) { return drawn_by(real.seen.weights, n, u); };
        task.some = columns_of(real.features, from_.judge().features(), of(o_.samples));
        task.shown = columns_of(real.data, pixels, of(o_.shown));
        const auto numbers = numbers_of(real.seen, task.wanted, o_.label, from_.rng().split(73));
        task.ink = numbers.ink;
        task.real.emplace(studies::cloud(real.features, from_.judge().features()), real.seen.weights,
                          studies::own_families(static_cast<index_t>(real.seen.weights.size())));

        const auto other = weigh(from_, from_.train(), std::min(o_.real_images, from_.train().count()), 74,
                                 task.reward);
        outcome plain{.samples = other.data,
                      .weights = other.seen.weights,
                      .families = other.seen.families,
                      .ess = effective(other.seen.weights)};
        task.floor = measured(task, "real", "training images, weighted", 0, plain, other.seen);
        return task;
    }

    row measured(const align_task& task, const std::string& model, const std::string& title, index_t budget,
                 const outcome& result, const judged_samples& seen) const {
        const auto numbers = numbers_of(seen, task.wanted, o_.label, from_.rng().split(75));
        const index_t features = from_.judge().features();
        const floats own = from_.features_of(result.samples);
        const auto far = energy_distance(
            studies::sample(studies::cloud(own, features), result.weights, result.families), *task.real);
        // As many real images as samples of equal weight.
        const auto places = drawn_by(result.weights, o_.samples, 0.5);
        const double returned = static_cast<double>(std::max<index_t>(1, result.returned));
        constexpr index_t neighbours = 5;
        const auto number = [](const std::optional<double>& x) { return x.value_or(NAN); };
        return {{"model", model},
                {"method", title},
                {"budget", budget},
                {"evaluations", static_cast<double>(result.spent.evaluations()) / returned},
                {"rewards", static_cast<double>(result.spent.reward) / returned},
                {"samples", result.returned},
                {"seconds", result.seconds},
                {"l2", numbers.l2},
                {"l2_se", numbers.l2_se},
                {"right", 100.0 * numbers.right},
                {"right_se", 100.0 * numbers.right_se},
                {"ink", numbers.ink},
                {"ink_se", numbers.ink_se},
                {"ink_error", numbers.ink - task.ink},
                {"ink_error_se", numbers.ink_se},
                {"reward", numbers.reward},
                {"reward_se", numbers.reward_se},
                {"energy_distance", far.value},
                {"energy_distance_se", far.standard_error},
                {"coverage", coverage_of(task.some, columns_of(own, features, places), features, neighbours)},
                {"ess", number(result.ess)},
                {"families", numbers.families},
                {"log_z", number(result.log_z)},
                {"log_z_se", number(result.log_z_se)},
                {"warnings", static_cast<index_t>(result.warnings.size())},
                {"shares", shares_text(numbers.shares)}};
    }

    void align(const align_task& task) {
        std::vector<column> columns{{"model", "model"},
                                    {"method", "method"},
                                    {"evaluations", "evaluations a sample", "%.1f"},
                                    {"seconds", "seconds", "%.1f"}};
        if (task.name == "weights") columns.push_back({"l2", "L2 of class shares", "%.3f"});
        if (task.name == "class") columns.push_back({"right", "judged right, %", "%.1f"});
        if (task.name == "ink") columns.push_back({"ink_error", "error of the ink", "%.4f"});
        for (column each : std::vector<column>{{"reward", "mean reward", "%.3f"},
                                               {"log_z", "log Z", "%.3f"},
                                               {"ess", "ESS", "%.0f"},
                                               {"families", "families", "%.0f"},
                                               {"energy_distance", "energy distance, features", "%.3f"},
                                               {"coverage", "coverage", "%.3f"},
                                               {"shares", "class shares 0 ... 9, %"}})
            columns.push_back(std::move(each));
        told_.table(
            "align_" + task.name, "Alignment: " + task.title,
            task.explanation +
                " Families is the effective number of independent lineages. The energy distance is to " +
                std::to_string(task.real->points().count()) +
                " test images weighted by exp r, in the judge's features; coverage the share of "
                "such images that have a sample within the distance of their fifth nearest other. "
                "Searches maximise and guidance approximates: they do not sample the tilted law. ± "
                "by a bootstrap of families.",
            std::move(columns));
        told_.add(task.floor);
        for (const auto& [name, family] : families_) {
            diamond::plot::image_grid grid{
                .title = task.title + ": " + name, .shape = shape, .shades = {-1, 1}, .zoom = 2};
            grid.rows.push_back({.label = "test images by weight", .pixels = task.shown});
            for (const index_t budget : o_.budgets)
                for (std::size_t k = 0; k < alignment_methods().size(); ++k) {
                    const auto& method = alignment_methods()[k];
                    if (std::ranges::find(o_.methods, method.name) == o_.methods.end()) continue;
                    if (method.name == "draws" && budget != o_.budgets.front()) continue;
                    const run_options run{
                        .budget = budget,
                        .samples = o_.samples,
                        .particles = o_.particles,
                        .rng = from_.rng().split(1000 + k).split(static_cast<std::uint64_t>(budget))};
                    judged_samples seen;
                    outcome result;
                    try {
                        result = method.run(
                            from_, family, task.reward, run,
                            [&](double share) {
                                line_.show(studies::text("%3.0f %% ", 100.0 * share) + task.name + ", " +
                                           name + ", " + method.title + ", " + std::to_string(budget));
                            },
                            seen);
                    } catch (const diamond::numeric_error& error) {
                        line_.show("");
                        told_.add({{"model", name},
                                   {"method", method.title},
                                   {"budget", budget},
                                   {"failure", error.what()}});
                        continue;
                    }
                    line_.show("");
                    if (seen.weights.empty()) seen = judged(from_, task.reward, result);
                    told_.add(measured(task, name, method.title, budget, result, seen));
                    if (budget == o_.budgets.back() || method.name == "draws")
                        grid.rows.push_back({.label = method.title,
                                             .pixels = columns_of(result.samples, pixels,
                                                                  drawn_by(result.weights, o_.shown, 0.5))});
                }
            told_.picture(from_.settings().out, "align_" + task.name + "_" + name, diamond::plot::draw(grid));
        }
    }

    const study& from_;
    const align_options& o_;
    results& told_;
    class_weights prior_{};
    std::vector<std::pair<std::string, network_family>> families_;
    studies::progress_line line_;
};

} // namespace detail

/// Aligns the models with the rewards by the methods, each within every budget.
inline void measure_align(const study& from, const align_options& o, results& told) {
    detail::alignment(from, o, told).run();
}

} // namespace mnist
