// mnist align: three rewards by every method, each within a budget of evaluations for a sample.
#include "align.hpp"

#include <memory>
#include <string>
#include <vector>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study;
    align_options align;
    bool full = false;
};

} // namespace

part align_part() { return part_of("align", measure_align); }

command add_align(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    s->study.out = "out/mnist/align";
    s->align.budgets.clear();
    s->align.models.clear();
    auto& o = s->align;
    auto& sub = *app.add_subcommand("align", "aligns Diamond maps with three rewards by every method of the "
                                             "library, within a budget of evaluations for a sample");
    add_study_options(sub, s->study);
    sub.add_flag("--full", s->full, "as the report has it: 1000 samples within 30, 100 and 300 evaluations");
    sub.add_option("--budget", o.budgets, "evaluations of a network for a sample, one or several; default 30")
        ->check(CLI::Range(20, 100'000));
    sub.add_option("--samples", o.samples, "of each method; default 128")->check(CLI::Range(2, 1'000'000));
    sub.add_option("--particles", o.particles, "at most, of one run of SMC")
        ->check(CLI::Range(2, 1'000'000))
        ->capture_default_str();
    sub.add_option("--real-images", o.real_images, "of the test part to compare with; default 3000")
        ->check(CLI::Range(100, 10'000));
    sub.add_option("--models", o.models, "which Diamond maps; default taught")
        ->check(CLI::IsMember(std::vector<std::string>{"taught", "diamond"}));
    sub.add_option("--rewards", o.rewards, "which of them")
        ->check(CLI::IsMember(reward_names()))
        ->capture_default_str();
    sub.add_option("--methods", o.methods, "which of them")
        ->check(CLI::IsMember(alignment_names()))
        ->capture_default_str();
    sub.add_option("--class", o.label, "the class that is wanted")
        ->check(CLI::Range(0, classes - 1))
        ->capture_default_str();
    sub.add_option("--scale", o.scale, "of its log-probability")
        ->check(between(0, 1000))
        ->capture_default_str();
    sub.add_option("--ink", o.ink, "the brightness that is wanted, in deviations of images above their mean")
        ->check(between(-10, 10))
        ->capture_default_str();
    return {&sub, [s, &sub] {
                auto chosen = s->align;
                const auto usual = s->full ? align_options::full() : align_options{};
                if (chosen.budgets.empty()) chosen.budgets = usual.budgets;
                if (chosen.models.empty()) chosen.models = usual.models;
                if (sub.count("--samples") == 0) chosen.samples = usual.samples;
                if (sub.count("--real-images") == 0) chosen.real_images = usual.real_images;
                studies::make_folder_of(s->study.out / "report.md");
                results told;
                measure_align(study(s->study), chosen, told);
                told.write(s->study.out, "MNIST: alignment");
            }};
}

} // namespace mnist
