// Aligns the exact model of real digits with four rewards by seven methods, and holds every figure against the truth.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "report.hpp"

namespace {

struct settings {
    std::filesystem::path    data = DIAMOND_EXAMPLE_DATA, out = "out/digits";
    std::vector<std::string> rewards = digits::task_names(), methods;
    digits::method_options   method;
    digits::task_options     task;
    double                   bandwidth = 0.2;
    std::uint64_t            seed      = 1;
    int                      threads   = 0;
    bool                     sweep     = true;
};

settings parse(int argc, char** argv, CLI::App& app) {
    settings s;
    for (const auto& m : digits::methods()) s.methods.push_back(m.name);
    const auto all_methods = s.methods;
    app.add_option("--reward", s.rewards, "rewards to align with")->check(CLI::IsMember(digits::task_names()))->capture_default_str();
    app.add_option("--method", s.methods, "methods to run")->check(CLI::IsMember(all_methods))->capture_default_str();
    app.add_option("--particles", s.method.particles, "particles of SMC and of the prior")->check(CLI::Range(2, 1 << 20))->capture_default_str();
    app.add_option("--steps", s.method.steps, "outer steps of SMC and beam; guidance takes twice, best of N draws 16 times as many")->check(CLI::Range(1, 1 << 12))->capture_default_str();
    app.add_option("--samples", s.method.samples, "posterior draws for a value")->check(CLI::Range(1, 1 << 12))->capture_default_str();
    app.add_option("--glass-steps", s.method.glass_steps, "Runge-Kutta steps of a GLASS transition")->check(CLI::Range(1, 1 << 12))->capture_default_str();
    app.add_option("--winners", s.method.winners, "samples that search returns; guidance returns four times as many")->check(CLI::Range(2, 1 << 16))->capture_default_str();
    app.add_option("--label", s.task.label, "the class that 'seven' and 'seven_ink' ask for")->check(CLI::Range(0, 9))->capture_default_str();
    app.add_option("--held-out", s.task.held_out, "the held-out image whose upper half is measured")->check(CLI::Range(0, 359))->capture_default_str();
    app.add_option("--noise", s.task.noise, "standard deviation of that measurement")->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--strength", s.task.strength, "of the ink reward, in nats per standard deviation of ink")->capture_default_str();
    app.add_option("--bandwidth", s.bandwidth, "standard deviation h of the smoothing")->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--seed", s.seed, "of everything drawn")->capture_default_str();
    app.add_option("--threads", s.threads, "0: one per core")->check(CLI::Range(0, 1024))->capture_default_str();
    app.add_option("--data", s.data, "folder of images.npy, labels.npy and held_out.npy");
    app.add_option("--out", s.out, "folder to write to")->capture_default_str();
    app.add_flag("--sweep,!--no-sweep", s.sweep, "also run each method at smaller budgets, for reward against evaluations (default)");
    app.parse(argc, argv);
    return s;
}

/// A line of progress on a terminal, rewritten; elsewhere only what is done.
class progress_line {
public:
    void show(int done, int total, const std::string& what, double share) const {
        if (!terminal_) return;
        std::fprintf(stderr, "\r\033[K[%2d/%d] %s %3.0f %%", done + 1, total, what.c_str(), 100.0 * share);
    }
    void finish(const std::string& text) const { std::fprintf(stderr, "%s%s\n", terminal_ ? "\r\033[K" : "", text.c_str()); }

private:
    bool terminal_ = isatty(STDERR_FILENO) != 0;
};

/// Budgets of the sweep: shares of the full number of steps, with fewer particles.
std::vector<digits::method_options> smaller_budgets(const digits::method_options& full) {
    std::vector<digits::method_options> budgets;
    for (const int divisor : {8, 4, 2}) {
        auto budget       = full;
        budget.steps      = std::max<diamond::index_t>(1, full.steps / divisor);
        budget.samples    = std::max<diamond::index_t>(1, full.samples * 2 / divisor);
        budget.particles  = std::max<diamond::index_t>(2, full.particles / 4);
        budget.rng        = full.rng.split(static_cast<std::uint64_t>(divisor));
        budgets.push_back(budget);
    }
    return budgets;
}

int run(settings s) {
    using namespace digits;
    const diamond::detail::stopwatch clock;
    const context  where{.threads = s.threads};
    const data_set data = load(s.data);
    const model    exact = diamond::data_mixture(where, diamond::linear_schedule{},
                                                 diamond::from_host<real>(where, pixels, data.train.count(), data.train.data).read(), s.bandwidth);
    const judge    judged(data.train);
    const diamond::philox rng{s.seed};
    s.task.rng                   = rng.split(1);
    std::filesystem::create_directories(s.out);

    progress_line           line;
    std::vector<task>       tasks;
    std::vector<row>        rows;
    const int               total = static_cast<int>(s.rewards.size() * s.methods.size());
    int                     done  = 0;
    for (const auto& reward : s.rewards) {
        tasks.push_back(make_task(reward, where, exact, data, s.task));
        const task&  t            = tasks.back();
        const double truth_spread = spread(t.truth);
        std::vector<row>                     swept;
        std::vector<std::pair<row, outcome>> results;
        for (const auto& m : methods()) {
            if (std::find(s.methods.begin(), s.methods.end(), m.name) == s.methods.end()) continue;
            auto       options = s.method;
            const auto index   = static_cast<std::uint64_t>(&m - methods().data());
            options.rng        = rng.split(100 + index);
            options.keep_story = m.name == "smc_ddpm";
            const auto tell    = [&](double share) { line.show(done, total, reward + ": " + m.title, share); };
            if (s.sweep && m.name != "prior")
                for (const auto& budget : smaller_budgets(options)) {
                    auto small       = budget;
                    small.keep_story = false;
                    row cheap{.reward = t.name, .method = m.name, .title = m.title};
                    const outcome result = m.run(where, exact, t, small, tell);
                    measure_reward(where, t, result, cheap);
                    cheap.evaluations = result.spent.evaluations();
                    cheap.returned    = result.returned;
                    swept.push_back(cheap);
                }
            outcome result = m.run(where, exact, t, options, tell);
            row     full   = describe(where, t, m, result, judged, truth_spread);
            ++done;
            line.finish(t.name + ", " + m.title + ": mean reward " + number(full.mean_reward) + " ± " + number(full.mean_reward_se, "%.1g") +
                        (full.log_z ? ", log Z " + number(full.log_z, "%.3f") + " ± " + number(full.log_z_se, "%.3f") +
                                          (full.log_z_exact ? " (exact " + number(full.log_z_exact, "%.3f") + ")" : "")
                                    : "") +
                        ", energy distance " + number(full.energy_distance, "%.3f") + ", " + number(full.seconds, "%.2f") + " s");
            for (const auto& warning : full.warnings) line.finish("  warning: " + warning);
            swept.push_back(full);
            rows.push_back(full);
            results.emplace_back(std::move(full), std::move(result));
        }
        row truth{.reward = t.name};
        measure_reward(where, t, {.samples = t.truth, .weights = detail::equal_weights(static_cast<index_t>(t.truth.size()) / pixels)}, truth);
        diamond::io::write_png(s.out / ("samples_" + t.name + ".png"), sample_grid(t, results));
        diamond::io::write_png(s.out / ("sweep_" + t.name + ".png"), sweep_plot(t, swept, truth.mean_reward));
        const auto smc = std::find_if(results.begin(), results.end(), [](const auto& r) { return r.first.method == "smc_ddpm"; });
        if (smc != results.end()) {
            diamond::io::write_png(s.out / ("story_" + t.name + ".png"), story(where, exact, t, smc->second));
            diamond::io::write_png(s.out / ("ess_" + t.name + ".png"), story_plot(t, results));
        }
    }
    auto json = nlohmann::ordered_json::array();
    for (const auto& r : rows) json.push_back(to_json(r));
    diamond::io::write_json(s.out / "report.json", json);
    const std::string setting = "Model: " + std::to_string(data.train.count()) + " training images smoothed with a Gaussian of standard deviation " + number(s.bandwidth) +
                                ", linear schedule, exactly; its posterior stands for a Diamond map, one evaluation a draw. Seed " + std::to_string(s.seed) + ", device " +
                                context::device_name() + ". Standard errors of log Z by Lee and Whiteley's formula; energy distances, in pixels, to " +
                                std::to_string(s.task.truth) + " draws of the exact tilted model; the judge is a three-nearest-neighbour classifier that is no reward. " +
                                "Best of N, beam and guidance with few draws maximise or approximate: they do not sample the tilted model.";
    write_text(s.out / "report.md", markdown(tasks, rows, setting));
    std::printf("%s: report.md, report.json and the pictures, in %.1f s\n", s.out.string().c_str(), clock.seconds());
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Aligns the exact model of 1,437 handwritten digits with rewards, by seven methods, and holds every figure against the truth.\n"
                 "Writes pictures, report.md and report.json.");
    app.get_formatter()->column_width(32);
    try {
        return run(parse(argc, argv, app));
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "digits: %s\n", error.what());
        return 1;
    }
}
