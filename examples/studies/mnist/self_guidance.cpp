// mnist self-guidance: noise moved up its own likelihood before it becomes samples, beside the control that
// only shrinks it.
#include "self_guidance.hpp"

#include <cstdio>
#include <memory>
#include <optional>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study{
        .data = default_data(), .weights = default_weights(), .out = "out/mnist/self_guidance"};
    bool full = false;
    std::optional<index_t> samples = {}, reference = {}, steps = {};
    std::optional<double> step_size = {};
    std::vector<index_t> jumps = {};
    std::vector<std::string> maps = {};
};

void run(const settings& s) {
    const diamond::stopwatch clock;
    self_guidance_options o = s.full ? self_guidance_options::full() : self_guidance_options{};
    o.samples = s.samples.value_or(o.samples);
    o.reference = s.reference.value_or(o.reference);
    o.steps = s.steps.value_or(o.steps);
    o.step_size = s.step_size.value_or(o.step_size);
    if (!s.jumps.empty()) o.jumps = s.jumps;
    if (!s.maps.empty()) o.maps = s.maps;
    const study all(s.study);
    studies::make_folder_of(s.study.out / "report.md"); // before the work
    results found;
    measure_self_guidance(all, o, found);
    found.write(s.study.out, "Self-guidance");
    std::printf("\n%s: report.md, report.json and pictures, in %.1f s\n", s.study.out.string().c_str(),
                clock.seconds());
}

} // namespace

part self_guidance_part() { return part_of("self-guidance", measure_self_guidance); }

command add_self_guidance(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand(
        "self-guidance", "samples of noise moved up its own likelihood, by distance in the judge's features, "
                         "beside unguided ones and a control");
    std::vector<std::string> joint;
    for (const auto& which : models)
        if (which.kind == model_kind::joint_map) joint.emplace_back(which.name);
    sub.add_flag("--full", s->full, "the sizes of the study's tables; the others overrule it");
    sub.add_option("--samples", s->samples, "of each kind; default 200, and 4096 in full")
        ->check(CLI::Range(32, 1 << 16));
    sub.add_option("--reference", s->reference,
                   "test images with which they are compared; default 2000, and 10000 in full")
        ->check(CLI::Range(32, 10'000));
    sub.add_option("--jumps", s->jumps, "of a sample, one or several; default 1 2 4 8")
        ->check(CLI::Range(1, 1000));
    sub.add_option("--steps", s->steps, "of guidance; default 1")->check(CLI::Range(1, 100));
    sub.add_option("--step-size", s->step_size, "of a step by the gradient's sign; default 0.05")
        ->check(between(1e-6, 10));
    sub.add_option("--map", s->maps,
                   "one or several, the first of which must be there; default lagrangian "
                   "and shortcut_distill")
        ->check(CLI::IsMember(joint));
    add_study_options(sub, s->study);
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
