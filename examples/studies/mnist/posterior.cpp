// mnist posterior: how good draws from posteriors are.
#include "posterior.hpp"

#include <cstdio>
#include <memory>
#include <optional>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "parts.hpp"

namespace mnist {

namespace {

struct settings {
    study_settings study{.out = "out/mnist/posterior"};
    bool full = false;
    std::optional<index_t> pairs = {}, mean_images = {}, mean_draws = {}, most_solved = {};
    std::vector<double> times = {};
};

void run(const settings& s) {
    const diamond::stopwatch clock;
    posterior_options o = s.full ? posterior_options::full() : posterior_options{};
    o.pairs = s.pairs.value_or(o.pairs);
    o.mean_images = s.mean_images.value_or(o.mean_images);
    o.mean_draws = s.mean_draws.value_or(o.mean_draws);
    o.most_solved = s.most_solved.value_or(o.most_solved);
    if (!s.times.empty()) o.times = s.times;
    const study all(s.study);
    studies::make_folder_of(s.study.out / "report.md"); // before the work
    results found;
    measure_posterior(all, o, found);
    found.write(s.study.out, "Posterior draws");
    std::printf("\n%s: report.md, report.json and posterior_draws.png, in %.1f s\n",
                s.study.out.string().c_str(), clock.seconds());
}

} // namespace

part posterior_part() { return part_of("posterior", measure_posterior); }

command add_posterior(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand(
        "posterior",
        "draws from the posteriors of noised test images by the Diamond maps and by GLASS of the "
        "teacher, and measures pairs, means and spread");
    sub.add_flag("--full", s->full, "the sizes of the study's tables; the others overrule it");
    sub.add_option("--pairs", s->pairs, "noised test images at each t; default 100, and 2000 in full")
        ->check(CLI::Range(8, 10'000));
    sub.add_option("--mean-images", s->mean_images,
                   "of these, whose means of draws are measured; default 16, and 256 in full")
        ->check(CLI::Range(4, 10'000));
    sub.add_option("--mean-draws", s->mean_draws, "draws for such a mean; default 16, and 64 in full")
        ->check(CLI::Range(2, 4096));
    sub.add_option("--most-solved", s->most_solved,
                   "evaluations of the reference, GLASS by Runge-Kutta 4, a multiple of 4; default 48")
        ->check(CLI::Range(8, 1024))
        ->check([](const std::string& text) {
            return std::stol(text) % 4 == 0 ? std::string() : "'" + text + "' is no multiple of 4";
        });
    sub.add_option("--times", s->times, "t, one or several; default 0.1 0.3 0.5 0.7 0.9")
        ->check(between(0.01, 0.99));
    add_study_options(sub, s->study);
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
