// digits align: four rewards by nine methods on the learned or the exact model, every figure beside the exact
// model's truth.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "align_settings.hpp"
#include "digits_flow_map.hpp"
#include "pictures.hpp"

namespace digits {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

/// A run, in parts that share what it reads and knows.
class alignment {
public:
    explicit alignment(align_settings s)
        : s_(std::move(s)),
          bandwidth_(s_.model == "exact" ? s_.bandwidth.value_or(default_bandwidth)
                                         : trained_bandwidth(s_.weights, named_files(), s_.bandwidth)),
          where_{.threads = s_.threads},
          data_(load(s_.data)),
          train_(chosen_images(data_.train, s_.condition)),
          exact_(diamond::data_mixture(
              where_, diamond::linear_schedule{},
              diamond::from_host<real>(where_, pixels, train_.count(), train_.data).read(), bandwidth_)),
          judged_(data_.train),
          rng_{s_.seed},
          truth_(s_.device == "cuda" && s_.model == "exact" ? exact_subject_on_gpu(train_, bandwidth_)
                                                            : exact_subject(s_.threads, train_, bandwidth_)),
          own_(s_.model == "exact" ? truth_ : learned()) {
        s_.task.rng = rng_.split(1);
    }

    /// The tables.
    std::vector<studies::table> run() {
        const diamond::stopwatch clock;
        prepare(s_.out);
        for (const auto& reward : task_names())
            if (contains(s_.rewards, reward)) align(reward);
        auto json = nlohmann::ordered_json::array();
        for (const auto& part : sections_)
            for (const auto& r : part.rows) json.push_back(to_json(r));
        diamond::io::write_json(s_.out / "report.json", json);
        write_text(
            s_.out / "report.md",
            markdown(sections_, s_.model == "exact" ? "the exact model" : "a learned model", setting()));
        std::printf("%s: report.md, report.json and the pictures, in %.1f s\n", s_.out.string().c_str(),
                    clock.seconds());
        std::vector<studies::table> tables{truths_of(sections_)};
        for (const auto& part : sections_) tables.push_back(table_of(part));
        tables.push_back(seconds_of(clock.seconds()));
        return tables;
    }

private:
    /// The networks of the learned model. The taught map's velocity is its teacher's; the other's its own.
    std::vector<std::string> names() const {
        return s_.network == "taught" ? std::vector{s_.network, std::string("teacher")}
                                      : std::vector{s_.network};
    }
    bool corrects() const { return contains(s_.methods, corrected_method().name); }
    /// Those, and the joint map that corrects: the bandwidths that their files say must agree.
    std::vector<std::string> named_files() const {
        auto files = names();
        if (corrects()) files.push_back(joint_file(s_.weights).stem());
        return files;
    }
    subject learned() const {
        const learned_settings settings{s_.weights,
                                        names().front(),
                                        names().back(),
                                        diamond::labels(s_.condition),
                                        s_.guidance_weight,
                                        s_.evaluations,
                                        corrects() ? correcting_jumps : 0};
        return s_.device == "cuda" ? learned_subject_on_gpu(settings) : learned_subject(s_.threads, settings);
    }

    void align(const std::string& reward) {
        sections_.push_back({.about = make_task(reward, where_, exact_, data_, s_.task),
                             .truth = {.reward = reward, .title = "exact tilted model"}});
        section& part = sections_.back();
        const task& t = part.about;
        const studies::sample truth(studies::cloud(t.truth, pixels));
        measure_reward(where_, t, detail::independent(t.truth), part.truth);
        std::vector<sweep> sweeps{{own_.title}};
        if (s_.model != "exact" && s_.sweep) sweeps.push_back({truth_.title});
        std::vector<std::pair<row, outcome>> results;
        for (std::size_t k = 0; k < method_names().size(); ++k) {
            const auto& m = method_names()[k];
            if (!contains(s_.methods, m.name)) continue;
            auto options = s_.method;
            options.rng = rng_.split(100 + k);
            options.keep_story = m.name == "smc_ddpm";
            const auto tell = [&](double share) {
                char text[64];
                std::snprintf(text, sizeof text, "[%2d/%d] %3.0f %% ", done_ + 1, total(), 100.0 * share);
                line_.show(text + reward + ": " + m.title);
            };
            if (s_.sweep && m.name != "prior")
                for (auto& [title, rows] : sweeps) {
                    const bool beside = &rows != &sweeps.front().rows;
                    for (const auto& budget : smaller_budgets(options, beside)) {
                        row cheap = cheap_row(beside ? truth_ : own_, t, k, budget, tell);
                        if (cheap.failure)
                            part.failures.push_back("**" + m.title + "** of " + std::to_string(budget.steps) +
                                                    (budget.steps == 1 ? " step, " : " steps, ") + title +
                                                    ", for the picture, died: " + *cheap.failure);
                        else
                            rows.push_back(std::move(cheap));
                    }
                }
            outcome result = attempt(own_.methods[k], t, options, tell);
            row full = describe(where_, t, own_, m, result, judged_, truth);
            ++done_;
            say(t, full);
            part.rows.push_back(full);
            if (full.failure) continue;
            sweeps.front().rows.push_back(full);
            results.emplace_back(std::move(full), std::move(result));
        }
        const auto write = [&](const std::string& kind, const std::string& caption, const auto& drawing) {
            part.pictures.push_back({kind + "_" + t.name + ".png", caption});
            diamond::plot::write_png(s_.out / part.pictures.back().file, drawing);
        };
        write("samples", "samples", sample_grid(t, results, part.truth));
        if (std::ranges::any_of(sweeps, [](const sweep& s) { return !s.rows.empty(); }))
            write("sweep", "reward against evaluations", sweep_plot(t, sweeps, part.truth.mean_reward));
        for (const auto& [full, result] : results)
            if (!result.states.empty()) write("story", "lineages", story(own_, t, result));
        if (std::any_of(results.begin(), results.end(),
                        [](const auto& r) { return !r.second.steps.empty(); }))
            write("ess", "effective sample size", ess_plot(t, results));
    }

    row cheap_row(const subject& model, const task& t, std::size_t k, const method_options& budget,
                  const progress& tell) {
        row cheap{.reward = t.name, .method = method_names()[k].name, .title = method_names()[k].title};
        const outcome result = attempt(model.methods[k], t, budget, tell);
        cheap.failure = result.failure;
        if (cheap.failure) return cheap;
        measure_reward(where_, t, result, cheap);
        cheap.evaluations = result.spent.evaluations();
        cheap.returned = result.returned;
        return cheap;
    }

    int total() const {
        const auto count = [](const auto& all, const auto& asked) {
            return static_cast<int>(std::ranges::count_if(all, asked));
        };
        return count(task_names(), [&](const auto& name) { return contains(s_.rewards, name); }) *
               count(method_names(), [&](const auto& m) { return contains(s_.methods, m.name); });
    }

    void say(const task& t, const row& r) const {
        if (r.failure) return line_.finish(t.name + ", " + r.title + " died: " + *r.failure);
        line_.finish(
            t.name + ", " + r.title + ": mean reward " + with_error(r.mean_reward, r.mean_reward_se) +
            (r.log_z ? ", log Z " + number(r.log_z, "%.3f") + " ± " + number(r.log_z_se, "%.3f") +
                           (r.log_z_exact ? " (exact model's " + number(r.log_z_exact, "%.3f") + ")" : "")
                     : "") +
            ", energy distance " + with_error(r.energy_distance, r.energy_distance_se, "%.3f") + ", " +
            number(r.seconds, "%.2f") + " s");
        for (const auto& warning : r.warnings) line_.finish("  warning: " + warning);
    }

    std::string setting() const {
        const std::string class_of = s_.condition >= 0 ? " of class " + std::to_string(s_.condition) : "";
        const std::string law = std::to_string(train_.count()) + " training images" + class_of +
                                " smoothed with a Gaussian of standard deviation " + number(bandwidth_);
        const std::string model =
            s_.model == "exact"
                ? "Model: " + law +
                      ", linear schedule, exactly; its posterior stands for a Diamond map, one evaluation a "
                      "draw."
                : "Model: the network " + s_.network + ".safetensors, a Diamond map of " +
                      std::to_string(s_.evaluations) +
                      (s_.evaluations == 1 ? " evaluation" : " evaluations") + " a posterior draw" +
                      (s_.condition >= 0 ? ", condition " + std::to_string(s_.condition) +
                                               " with guidance weight " + number(s_.guidance_weight)
                                         : "") +
                      ". The truth that every figure is held against is the exact model it was trained on: " +
                      law +
                      ". A learned chain tilts its own end law, whose Z is another: the log Z of its methods "
                      "are to agree with each other, and with the exact model's as far as the model is "
                      "good." +
                      (s_.guidance_weight != 1.0 ? " With a guidance weight other than 1 that law is no "
                                                   "model's, and the exact one no truth of it."
                                                 : "");
        return model + " Seed " + std::to_string(s_.seed) + ", device " + own_.device +
               ". Standard errors of log Z by Lee and Whiteley's formula; energy distances, in pixels, to " +
               std::to_string(s_.task.truth) +
               " draws of the exact tilted model, over pairs of particles without a common ancestor, so that "
               "an estimate may be below zero; the judge is a three-nearest-neighbour classifier that is no "
               "reward. Best of N, beam and guidance with few draws maximise or approximate: they do not "
               "sample the tilted model. Exact for says which law, tilted, weighted samples and Z are right "
               "for, as particles grow: sampler, the chain's own end law; density, the one that it is "
               "corrected to" +
               std::string(s_.model == "learned" && corrects()
                               ? ", that of the joint map by " + std::to_string(correcting_jumps) +
                                     " evaluations, which need not integrate to 1: its log Z is higher by "
                                     "the log of what it does"
                               : "") +
               "; model, that this law is the model's. Others are said to leave the law untilted, to "
               "maximise or to approximate, and claim nothing.";
    }

    align_settings s_;
    double bandwidth_; ///< of the exact model
    context where_;
    data_set data_;
    images train_;
    model exact_;
    judge judged_;
    diamond::philox rng_;
    subject truth_, own_;
    progress_line line_;
    int done_ = 0;
    std::vector<section> sections_;
};

} // namespace

command add_align(CLI::App& app) {
    const auto s = std::make_shared<align_settings>();
    auto& sub = *app.add_subcommand(
        "align",
        "aligns a model with four rewards by up to nine methods; writes pictures, report.md and report.json");
    add_options(sub, *s);
    return {&sub, [s] {
                studies::run_over_seeds(*s, "report", "Aligning models of handwritten digits",
                                        [](const align_settings& one) { return alignment(one).run(); });
            }};
}

} // namespace digits
