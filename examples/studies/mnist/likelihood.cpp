// mnist likelihood: bits per dimension of test images by a few evaluations of the joint maps, beside the
// teacher by many steps.
#include "likelihood.hpp"

#include <cstdio>
#include <memory>
#include <optional>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study{.data = default_data(), .weights = default_weights(), .out = "out/mnist/likelihood"};
    bool full = false;
    std::optional<index_t> images = {}, exact_images = {}, nodes = {}, steps = {}, sketch = {}, probes = {};
    std::vector<index_t> evaluations = {};
};

void run(const settings& s) {
    const diamond::stopwatch clock;
    likelihood_options o = s.full ? likelihood_options::full() : likelihood_options{};
    o.images = s.images.value_or(o.images);
    o.exact_images = s.exact_images.value_or(o.exact_images);
    o.nodes = s.nodes.value_or(o.nodes);
    o.steps = s.steps.value_or(o.steps);
    o.sketch = s.sketch.value_or(o.sketch);
    o.probes = s.probes.value_or(o.probes);
    if (!s.evaluations.empty()) o.evaluations = s.evaluations;
    const study all(s.study);
    studies::make_folder_of(s.study.out / "report.md"); // before the work
    results found;
    measure_likelihood(all, o, found);
    found.write(s.study.out, "Bits per dimension");
    std::printf("\n%s: report.md, report.json and likelihood_scatter.png, in %.1f s\n",
                s.study.out.string().c_str(), clock.seconds());
}

} // namespace

part likelihood_part() { return part_of("likelihood", measure_likelihood); }

command add_likelihood(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand("likelihood",
                                    "measures bits per dimension of test images by 8, 4, 2 and 1 evaluations "
                                    "of the joint maps, beside many steps of the teacher");
    sub.add_flag("--full", s->full, "the sizes of the study's tables; the others overrule it");
    sub.add_option("--images", s->images, "of the test part; default 48, and 1000 in full")
        ->check(CLI::Range(2, 10'000));
    sub.add_option("--exact-images", s->exact_images,
                   "the first of them, by the exact trace as well; default 2, and 64 in full")
        ->check(CLI::Range(1, 10'000));
    sub.add_option("--nodes", s->nodes,
                   "times at which many steps take the divergence; default 8, and 16 in full")
        ->check(CLI::Range(2, 200));
    sub.add_option("--steps", s->steps, "of the path between two of them, four evaluations each; default 2")
        ->check(CLI::Range(1, 100));
    sub.add_option("--sketch", s->sketch, "directions of Hutch++; default 4, and 8 in full")
        ->check(CLI::Range(1, 784));
    sub.add_option("--probes", s->probes, "of Hutch++ for the rest; default 4, and 8 in full")
        ->check(CLI::Range(2, 10'000));
    sub.add_option("--evaluations", s->evaluations, "of the joint maps, one or several; default 8 4 2 1")
        ->check(CLI::Range(1, 1000));
    add_study_options(sub, s->study);
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
