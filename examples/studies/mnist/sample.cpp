// mnist sample: how good the laws of the models are.
#include "sample.hpp"

#include <cstdio>
#include <memory>
#include <optional>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study{.out = "out/mnist/sample"};
    bool full = false;
    std::optional<index_t> samples = {}, reference = {}, nearest = {}, euler_steps = {};
    std::vector<index_t> evaluations = {};
};

void run(const settings& s) {
    const diamond::stopwatch clock;
    sample_options o = s.full ? sample_options::full() : sample_options{};
    o.samples = s.samples.value_or(o.samples);
    o.reference = s.reference.value_or(o.reference);
    o.nearest = s.nearest.value_or(o.nearest);
    o.euler_steps = s.euler_steps.value_or(o.euler_steps);
    if (!s.evaluations.empty()) o.evaluations = s.evaluations;
    const study all(s.study);
    studies::make_folder_of(s.study.out / "report.md"); // before the work
    results found;
    measure_sample(all, o, found);
    found.write(s.study.out, "What the models draw");
    std::printf("\n%s: report.md, report.json and sample_laws.png, in %.1f s\n", s.study.out.string().c_str(),
                clock.seconds());
}

} // namespace

part sample_part() { return part_of("sample", measure_sample); }

command add_sample(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand(
        "sample", "draws from every model, and measures the laws: Frechet and energy distances in the "
                  "judge's features, shares of the classes, and the nearest training image");
    sub.add_flag("--full", s->full, "the sizes of the study's tables; the others overrule it");
    sub.add_option("--samples", s->samples, "of each law; default 500, and 10000 in full")
        ->check(CLI::Range(40, 10'000));
    sub.add_option("--reference", s->reference,
                   "test images with which they are compared; default 2000, and 10000 in full")
        ->check(CLI::Range(40, 10'000));
    sub.add_option("--nearest", s->nearest,
                   "samples whose nearest training image is looked for; default 100, and 1000 in full")
        ->check(CLI::Range(10, 10'000));
    sub.add_option("--evaluations", s->evaluations,
                   "of a sample, one or several; default 1 4, and 1 2 4 8 in full")
        ->check(CLI::Range(1, 1000));
    sub.add_option("--euler-steps", s->euler_steps,
                   "of the teacher's reference; default 100, and 200 in full")
        ->check(CLI::Range(1, 10'000));
    add_study_options(sub, s->study);
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
