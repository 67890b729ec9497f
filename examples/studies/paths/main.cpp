// Paths around obstacles into a goal, by a learned Diamond map: how near sequential Monte Carlo comes to the
// probability of what is allowed, and to the mean of the allowed paths, where brute force knows both.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/report.hpp"
#include "../shared/run_row.hpp"
#include "methods.hpp"

namespace paths {

using studies::text;

struct options {
    index_t particles = 1024, problems = 2, repeats = 8, truth = 2'097'152;
    std::vector<index_t> steps{16};
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path weights = std::filesystem::path(DIAMOND_EXAMPLE_DATA).parent_path() / "weights",
                          out = "out/paths";
};

/// The rows as an array, with null for what a method has not.
nlohmann::ordered_json json_of(const std::vector<row>& rows) {
    auto all = nlohmann::ordered_json::array();
    for (const row& r : rows) {
        auto one = studies::json_of_run(r);
        one["repeat"] = r.repeat;
        one["log_z_exact_se"] = studies::number_or_null(r.log_z_exact_se);
        one["families"] = studies::number_or_null(r.families);
        all.push_back(std::move(one));
    }
    return all;
}

/// A figure, or a dash for what is none.
studies::cell known(const char* format, double figure) {
    if (!std::isfinite(figure)) return "-";
    return {format, figure};
}

/// The rows of one method on the easy or the hard problems.
struct group {
    std::string method;
    std::vector<const row*> rows;

    template <class Figure>
    [[nodiscard]] double mean(const Figure& figure) const {
        double sum = 0.0, count = 0.0;
        for (const row* r : rows)
            if (const double x = figure(*r); std::isfinite(x)) sum += x, ++count;
        return count > 0.0 ? sum / count : NAN;
    }
    /// Returns the root mean square error of log Z.
    [[nodiscard]] double error() const {
        return std::sqrt(mean([](const row& r) { return square(r.log_z - r.log_z_exact); }));
    }
    /// Returns its standard error, by the delta method.
    [[nodiscard]] double error_of_error() const {
        const double squared = square(error()), spread = mean([&](const row& r) {
                                                    return square(square(r.log_z - r.log_z_exact) - squared);
                                                });
        return std::sqrt(spread / static_cast<double>(rows.size())) / (2.0 * std::max(error(), 1e-12));
    }
    /// Returns Z-hat over Z, minus 1: that of a run without a path is -1.
    [[nodiscard]] static double off(const row& r) {
        return r.dead ? -1.0 : std::expm1(r.log_z - r.log_z_exact);
    }
    /// Returns the root mean square error of Z-hat over Z.
    [[nodiscard]] double relative_error() const {
        return std::sqrt(mean([](const row& r) { return square(off(r)); }));
    }
    /// Returns how many plain draws 1,000 evaluations are worth: n of them have the relative variance
    /// (1/Z - 1)/n.
    [[nodiscard]] double plain_draws() const {
        const double of_a_run = 1.0 / mean([](const row& r) {
                                    return square(off(r)) / std::expm1(-r.log_z_exact);
                                });
        return 1000.0 * of_a_run / mean([](const row& r) { return r.evaluations; });
    }
    [[nodiscard]] index_t dead() const {
        return std::count_if(rows.begin(), rows.end(), [](const row* r) { return r->dead; });
    }
    [[nodiscard]] index_t warned() const {
        return std::count_if(rows.begin(), rows.end(),
                             [](const row* r) { return !r->warnings.empty() || std::isnan(r->log_z_se); });
    }
};
/// The rows of the easy or the hard problems by method, in the order of the first run.
std::vector<group> groups_of(std::span<const row> rows, bool hard) {
    std::vector<group> found;
    for (const row& r : rows) {
        if (r.hard != hard) continue;
        auto at = std::find_if(found.begin(), found.end(),
                               [&](const group& g) { return g.method == r.method; });
        if (at == found.end()) at = found.insert(found.end(), {.method = r.method, .rows = {}});
        at->rows.push_back(&r);
    }
    return found;
}

void tell(studies::report& told, std::span<const row> rows, bool hard, index_t steps) {
    const auto groups = groups_of(rows, hard);
    told.table(
        text("%s_%td", hard ? "hard" : "easy", steps),
        text("%s goals, %td steps", hard ? "Hard" : "Easy", steps),
        "Over problems and runs, each held against the truth of its own chain: runs without a feasible "
        "path; the root mean square error of log Z, ± its own error, where a run without a path counts as "
        "if one of its n paths were feasible, log(1/n), so that it says little of a method most of whose "
        "runs have none; that by importance sampling's; the root mean square error of Z-hat over Z, where a "
        "run without a path counts as Z-hat = 0; how many plain draws have the error that 1,000 evaluations "
        "give, (1/Z - 1) by the mean square of that: 1,000 for draws of one step, but for the chance of so "
        "few runs, which is large where few of them have a path; the error "
        "of the mean path, over the runs that have a path, against the floor of as many exact draws of the "
        "allowed paths; families of x_0 by their weight; steps that resampled, of runs with a path; runs "
        "that warn, or have no standard error.",
        {"method", "without a path", "error of log Z", "by importance sampling's", "relative error of Z-hat",
         "plain draws for 1,000 evaluations", "mean path", "floor", "families", "resampled", "evaluations",
         "warned"});
    const auto count = [](const group& g, index_t n) { return text("%td of %zu", n, g.rows.size()); };
    const auto base = std::find_if(groups.begin(), groups.end(),
                                   [](const group& g) { return g.method == "importance sampling"; });
    for (const group& g : groups)
        told.row({g.method,
                  count(g, g.dead()),
                  {"%.3f ± %.3f", g.error(), g.error_of_error()},
                  {"%.2f", g.error() / base->error()},
                  {"%.3f", g.relative_error()},
                  known("%.0f", g.dead() < std::ssize(g.rows) ? g.plain_draws() : NAN),
                  known("%.3f", g.mean([](const row& r) { return r.mean_error; })),
                  {"%.3f", g.mean([](const row& r) { return r.floor; })},
                  known("%.1f", g.mean([](const row& r) { return r.families; })),
                  known("%.1f", g.mean([](const row& r) { return r.resampled; })),
                  {"%.0f", g.mean([](const row& r) { return r.evaluations; })},
                  count(g, g.warned())},
                 text("%s, %s", g.method.c_str(), hard ? "hard" : "easy"));
    told.end_table();
}

/// How far the runs that state an error are off, in units of it.
void tell_of_errors(studies::report& told, const std::vector<row>& rows) {
    told.table("errors", "Errors that runs state",
               "How far log Z is off, in units of the root of the squares of the stated error and the "
               "truth's own: the root mean square, and the largest.",
               {"goals", "runs that state one", "root mean square", "largest"});
    for (const bool hard : {false, true}) {
        double squares = 0.0, largest = 0.0;
        index_t stated = 0, all = 0;
        for (const row& r : rows) {
            if (r.hard != hard) continue;
            ++all;
            if (!std::isfinite(r.log_z_se)) continue;
            ++stated;
            const double off = std::abs(r.log_z - r.log_z_exact) / std::hypot(r.log_z_se, r.log_z_exact_se);
            squares += square(off);
            largest = std::max(largest, off);
        }
        told.row({hard ? "hard" : "easy", text("%td of %td", stated, all),
                  known("%.2f", stated > 0 ? std::sqrt(squares / static_cast<double>(stated)) : NAN),
                  known("%.2f", stated > 0 ? largest : NAN)});
    }
    told.end_table();
}

/// Paths of each method on a scene, over the discs and the goal.
void draw(studies::report& told, const std::vector<row>& rows, const problem& of, const truth& exact,
          const std::filesystem::path& out) {
    using namespace diamond::plot;
    const auto circle = [](const disc& d, rgb colour) {
        curve ring{.marked = false, .colour = colour, .width = 1.5};
        for (int k = 0; k <= 48; ++k) {
            const double angle = 6.283185307179586 * k / 48.0;
            ring.x.push_back(d.x + d.radius * std::cos(angle));
            ring.y.push_back(d.y + d.radius * std::sin(angle));
        }
        return ring;
    };
    const auto shown = [&](const std::string& title, const std::vector<float>& some) {
        panel one{.title = title};
        curve lines{.marked = false, .colour = colours::palette[0], .width = 0.6};
        for (std::size_t p = 0; p + dimension <= std::min(some.size(), std::size_t{24 * dimension});
             p += dimension) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(waypoints); ++i) {
                lines.x.push_back(static_cast<double>(some[p + 2 * i]));
                lines.y.push_back(static_cast<double>(some[p + 2 * i + 1]));
            }
            for (auto* of_line : {&lines.x, &lines.y}) of_line->push_back(NAN); // breaks the line
        }
        one.curves.push_back(std::move(lines));
        for (const disc& d : of.of.discs) one.curves.push_back(circle(d, colours::palette[1]));
        one.curves.push_back(circle(of.of.goal, colours::palette[2]));
        return one;
    };
    panel_row scenes{.title = "Paths of the problem " + of.name,
                     .x = {.range = {{-1.2, 1.5}}},
                     .y = {.range = {{-1.6, 1.6}}},
                     .columns = 3,
                     .width = 170};
    scenes.panels.push_back(shown("brute force", exact.some));
    for (const row& r : rows)
        if (r.problem == of.name && r.repeat == 0) scenes.panels.push_back(shown(r.method, r.some));
    std::string name = "paths_" + of.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    told.picture(out, name, scenes);
}

/// A chain of the learned map, and what brute force says of it, a truth for each problem.
struct chain_truth {
    std::string name;
    std::vector<double> times;
    std::vector<truth> of;
};

/// How rough the learned paths are, against those of the law that was learned.
void tell_of_roughness(studies::report& told, const context& where, const network& net,
                       const std::vector<chain_truth>& chains, philox rng) {
    told.table("map", "The learned map",
               "The root mean square of second differences of single paths, by 65,536 draws.",
               {"draws", "roughness"});
    const auto tell = [&](const std::string& name, const batch& paths) {
        double roughness = 0.0;
        for (index_t j = 0; j < block; ++j) roughness += roughness_of(paths.data() + dimension * j) / block;
        told.row({name, {"%.4f", roughness}});
    };
    tell("the law itself", prior().draw(where, rng.split(0), block));
    for (const chain_truth& each : chains) {
        diamond::chain run(diamond::early_stop_kernel{diamond::network_diamond_map{net}},
                           {.particles = block, .times = each.times});
        tell(each.name, run(where, rng.split(each.times.size())).particles);
    }
    told.end_table();
}

/// What brute force found: the law that was learned, and each chain of the learned map.
void tell_of_truth(studies::report& told, const std::vector<problem>& problems, const std::vector<truth>& law,
                   const std::vector<chain_truth>& chains) {
    told.table("truth", "Brute force",
               "The share of paths that keep clear and reach the goal, Z, for each problem and law, and its "
               "log with its standard error; the error of the mean of the feasible paths that it found, "
               "which nothing is corrected for.",
               {"problem and draws", "feasible", "share", "log Z", "error of the mean path"});
    for (std::size_t k = 0; k < problems.size(); ++k) {
        const auto tell = [&](const std::string& by, const truth& of) {
            told.row({problems[k].name + ", " + by,
                      text("%td of %td", of.feasible, of.draws),
                      {"%.4g", static_cast<double>(of.feasible) / static_cast<double>(of.draws)},
                      {"%.4f ± %.4f", of.log_z(), of.standard_error()},
                      {"%.4f", of.floor(of.feasible)}});
        };
        tell("the law itself", law[k]);
        for (const chain_truth& each : chains) tell(each.name, each.of[k]);
    }
    told.end_table();
}

void report(const options& chosen) {
    const context where{.threads = chosen.threads};
    const network net = load(where, chosen.weights);
    studies::make_folder_of(chosen.out / "report.md");
    const philox rng{chosen.seed};
    const auto problems = problem_maker(where, rng.split(0), 1'048'576)(chosen.problems);
    studies::report told;
    told.line("# Paths around obstacles\n");
    told.line(
        text("Paths of %td waypoints around discs into a goal: %td problems of each kind, %td runs of each "
             "method, %td particles in the default run, brute force of %td paths, seed %llu.",
             waypoints, chosen.problems, chosen.repeats, chosen.particles, chosen.truth,
             static_cast<unsigned long long>(chosen.seed)));

    prior law;
    const auto of_law = brute_force("the law itself", problems, chosen.truth, [&](std::uint64_t b) {
        return law.draw(where, rng.split(3).split(b), block);
    });
    // One step, and for each number of steps the equal ones and those of soft values.
    std::vector<chain_truth> chains{{.name = "learned, one step", .times = {0.0, 1.0}, .of = {}}};
    for (const index_t steps : chosen.steps) {
        chains.push_back({.name = text("learned, %td equal steps", steps),
                          .times = diamond::uniform_time_grid(steps),
                          .of = {}});
        chains.push_back({.name = text("learned, %td steps by noise ratios", steps),
                          .times = soft_times(steps),
                          .of = {}});
    }
    for (std::size_t c = 0; c < chains.size(); ++c)
        chains[c].of = brute_force(chains[c].name, where, net, problems, chains[c].times, chosen.truth,
                                   rng.split(2).split(c));
    tell_of_roughness(told, where, net, chains, rng.split(1));
    tell_of_truth(told, problems, of_law, chains);

    const studies::progress_line progress;
    std::vector<row> rows;
    for (std::size_t s = 0; s < chosen.steps.size(); ++s) {
        const index_t steps = chosen.steps[s];
        const std::size_t before = rows.size();
        const auto &in_steps = chains[1 + 2 * s].of, &by_soft_times = chains[2 + 2 * s].of;
        for (std::size_t k = 0; k < problems.size(); ++k) {
            for (index_t repeat = 0; repeat < chosen.repeats; ++repeat)
                run_methods({.where = where,
                             .net = net,
                             .of = problems[k],
                             .at_once = chains[0].of[k],
                             .in_steps = in_steps[k],
                             .by_soft_times = by_soft_times[k],
                             .repeat = repeat,
                             .particles = chosen.particles,
                             .steps = steps,
                             .rng = rng.split(1000 + 1000 * k + static_cast<std::uint64_t>(repeat))},
                            [&](row one) {
                                progress.show(text("%s, run %td of %td, %s: log Z %.3f, exactly %.3f",
                                                   one.problem.c_str(), repeat + 1, chosen.repeats,
                                                   one.method.c_str(), one.log_z, one.log_z_exact));
                                rows.push_back(std::move(one));
                            });
            progress.finish(text("%s, %td steps: done", problems[k].name.c_str(), steps));
            diamond::io::write_json(chosen.out / "report.json", json_of(rows)); // what is there so far
        }
        for (const bool hard : {false, true}) tell(told, std::span(rows).subspan(before), hard, steps);
        if (s == 0)
            for (const std::size_t k : {std::size_t{0}, problems.size() / 2})
                draw(told, rows, problems[k], in_steps[k], chosen.out);
    }
    tell_of_errors(told, rows);
    told.write(chosen.out / "report.md");
    std::printf("\n%s: report.md, report.json and the pictures\n", chosen.out.c_str());
}

int from_command_line(int argc, char** argv) {
    options chosen;
    training_options training;
    CLI::App app{
        "Draws paths around obstacles into a goal by a learned Diamond map, and holds SMC and importance "
        "sampling against brute force."};
    const auto number = [](CLI::App& to, const char* name, index_t& of, index_t from, index_t most,
                           const char* what) {
        to.add_option(name, of, what)->check(CLI::Range(from, most))->capture_default_str();
    };
    number(app, "--problems", chosen.problems, 1, 100, "of each kind, easy and hard");
    number(app, "--repeats", chosen.repeats, 1, 10'000, "runs of each method on each problem");
    number(app, "--particles", chosen.particles, 16, 1'000'000,
           "of the default run; others get its evaluations");
    number(app, "--truth", chosen.truth, 65'536, 1'000'000'000, "paths of brute force, in blocks of 65,536");
    app.add_option("--steps", chosen.steps, "of a run; several numbers run it several times")
        ->check(CLI::Range(3, 10'000))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--weights", chosen.weights, "folder of the network")->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();

    auto& sub = *app.add_subcommand("train",
                                    "trains the map, and goes on where an earlier run was broken off");
    studies::add_training(sub, training, "of the training");
    number(sub, "--points", training.points, 100, 100'000'000, "draws of the law of paths to learn from");
    number(sub, "--checkpoint", training.checkpoint, 1, 1'000'000, "steps between two checkpoints");
    sub.add_option("--seed", training.seed, "of points and training")
        ->check(studies::not_negative)
        ->capture_default_str();
    sub.add_option("--out", training.out, "folder of the network")->capture_default_str();
    sub.add_flag("--fresh", training.fresh, "trains anew what is there");
    CLI11_PARSE(app, argc, argv);
    if (!sub.parsed()) {
        report(chosen);
    } else if (train(context{.threads = chosen.threads}, training)) {
        std::printf("%s: the network; paths --weights %s uses it\n", file_of(training.out).c_str(),
                    training.out.c_str());
    } else {
        std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n",
                     file_of(training.out).c_str());
    }
    return 0;
}

} // namespace paths

int main(int argc, char** argv) {
    return examples::run_main("paths", [&] { return paths::from_command_line(argc, argv); });
}
