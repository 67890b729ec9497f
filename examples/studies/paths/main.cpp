// Paths around obstacles into a goal, by a learned Diamond map: how near sequential Monte Carlo comes to the
// probability of what is allowed, and to the mean of the allowed paths, where brute force knows both.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/report.hpp"
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
    const auto number = [](double x) { return std::isfinite(x) ? nlohmann::ordered_json(x) : nullptr; };
    for (const row& r : rows)
        all.push_back({{"problem", r.problem},
                       {"method", r.method},
                       {"particles", r.particles},
                       {"steps", r.steps},
                       {"mean_error", number(r.mean_error)},
                       {"floor", number(r.floor)},
                       {"log_z", number(r.log_z)},
                       {"log_z_se", number(r.log_z_se)},
                       {"log_z_exact", number(r.log_z_exact)},
                       {"ess", number(r.ess)},
                       {"evaluations", number(r.evaluations)},
                       {"seconds", number(r.seconds)},
                       {"warnings", r.warnings},
                       {"repeat", r.repeat},
                       {"log_z_exact_se", number(r.log_z_exact_se)},
                       {"families", number(r.families)}});
    return all;
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
    /// Returns how many effective draws Z-hat is worth, by its spread over the runs, for 1,000 evaluations.
    [[nodiscard]] double effective() const {
        const double relative = mean([](const row& r) {
            const double ratio = r.warnings.empty() || r.families > 0.0 ? std::exp(r.log_z - r.log_z_exact)
                                                                        : 0.0;
            return square(ratio - 1.0);
        });
        return 1000.0 / (relative * mean([](const row& r) { return r.evaluations; }));
    }
    [[nodiscard]] index_t warned() const {
        return std::count_if(rows.begin(), rows.end(),
                             [](const row* r) { return !r->warnings.empty() || std::isnan(r->log_z_se); });
    }
};
std::vector<group> groups_of(const std::vector<row>& rows, bool hard, index_t steps) {
    std::vector<group> found;
    std::vector<const row*> wanted;
    // Importance sampling at once has one step: it stands beside whatever run it was given the budget of.
    for (std::size_t k = 0, of = 0; k < rows.size(); ++k) {
        if (rows[k].steps != 1) of = static_cast<std::size_t>(rows[k].steps);
        if (rows[k].hard == hard && static_cast<index_t>(of) == steps) wanted.push_back(&rows[k]);
    }
    for (const row* r : wanted) {
        auto at = std::find_if(found.begin(), found.end(),
                               [&](const group& g) { return g.method == r->method; });
        if (at == found.end()) at = found.insert(found.end(), {.method = r->method, .rows = {}});
        at->rows.push_back(r);
    }
    return found;
}

void tell(studies::report& told, const std::vector<row>& rows, bool hard, index_t steps) {
    const auto groups = groups_of(rows, hard, steps);
    told.table(
        text("%s_%td", hard ? "hard" : "easy", steps),
        text("%s goals, %td steps", hard ? "Hard" : "Easy", steps),
        "Over problems and runs: the root mean square error of log Z, ± its own error; that by importance "
        "sampling's; draws of that law, without weights, that Z-hat is worth, for 1,000 evaluations; the "
        "error of the mean path against the floor of as many exact draws; families of x_0 by their weight; "
        "runs that warn, or have no standard error.",
        {"method", "error of log Z", "of importance sampling", "worth of 1,000 evaluations", "mean path",
         "floor", "families", "evaluations", "warned"});
    const auto base = std::find_if(groups.begin(), groups.end(),
                                   [](const group& g) { return g.method == "importance sampling"; });
    for (const group& g : groups)
        told.row({g.method,
                  {"%.3f ± %.3f", g.error(), g.error_of_error()},
                  {"%.2f", g.error() / base->error()},
                  {"%.1f", g.effective()},
                  {"%.3f", g.mean([](const row& r) { return r.mean_error; })},
                  {"%.3f", g.mean([](const row& r) { return r.floor; })},
                  {"%.1f", g.mean([](const row& r) { return r.families; })},
                  {"%.0f", g.mean([](const row& r) { return r.evaluations; })},
                  text("%td of %zu", static_cast<std::ptrdiff_t>(g.warned()), g.rows.size())},
                 text("%s, %s", g.method.c_str(), hard ? "hard" : "easy"));
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

/// How the learned law compares with the one that it learned.
void tell_of_map(studies::report& told, const context& where, const network& net,
                 const std::vector<problem>& problems, const std::vector<index_t>& steps, philox rng) {
    constexpr index_t n = 65'536;
    told.table(
        "map", "The learned map",
        "The roughness, the root mean square of second differences, of single paths, and the shares of "
        "paths that are allowed, by 65,536 draws.",
        {"draws", "roughness", "keep clear and reach the goal, by problem"});
    const auto tell = [&](const std::string& name, const batch& paths) {
        double roughness = 0.0;
        for (index_t j = 0; j < n; ++j) roughness += roughness_of(paths.data() + dimension * j) / n;
        std::string shares;
        for (const problem& of : problems) {
            double share = 0.0;
            for (index_t j = 0; j < n; ++j)
                share += constraint{of.of}(paths.read().column(j)) == 0.0 ? 1.0 / n : 0.0;
            shares += (shares.empty() ? "" : ", ") + text("%.4g", share);
        }
        told.row({name, {"%.4f", roughness}, shares});
    };
    tell("the law itself", prior().draw(where, rng.split(0), n));
    std::vector<index_t> each{1};
    each.insert(each.end(), steps.begin(), steps.end());
    for (const index_t k : each) {
        diamond::chain run(diamond::early_stop_kernel{diamond::network_diamond_map{net}},
                           {.particles = n, .steps = k});
        tell(text("learned, %td evaluations", k),
             run(where, rng.split(static_cast<std::uint64_t>(k))).particles);
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
    tell_of_map(told, where, net, problems, chosen.steps, rng.split(1));
    const auto at_once = brute_force(where, net, problems, 1, chosen.truth, rng.split(2));
    const studies::progress_line progress;
    std::vector<row> rows;
    for (const index_t steps : chosen.steps) {
        const auto in_steps = brute_force(where, net, problems, steps, chosen.truth,
                                          rng.split(3 + static_cast<std::uint64_t>(steps)));
        for (std::size_t k = 0; k < problems.size(); ++k) {
            for (index_t repeat = 0; repeat < chosen.repeats; ++repeat)
                run_methods({.where = where,
                             .net = net,
                             .of = problems[k],
                             .in_steps = in_steps[k],
                             .at_once = at_once[k],
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
        for (const bool hard : {false, true}) tell(told, rows, hard, steps);
        if (steps == chosen.steps.front())
            for (const std::size_t k : {std::size_t{0}, problems.size() / 2})
                draw(told, rows, problems[k], in_steps[k], chosen.out);
    }
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
