// What a run of SMC without options does, against plain importance sampling from the same chain for as many
// network evaluations, on seven problems whose log Z is known; and what moves do for its families.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/report.hpp"
#include "problems.hpp"

namespace defaults {

using studies::text;

struct options {
    index_t runs = 32, particles = 1024, steps = 16, truth = 1'048'576;
    std::uint64_t seed = 1;
    int threads = 0;
    std::vector<std::string> only;
    std::filesystem::path digits = std::filesystem::path(DIAMOND_EXAMPLE_DATA) / ".." / ".." / "digits",
                          out = "out/defaults";
};

/// What the runs of a method were off by, and what they cost.
struct figures {
    std::vector<double> squares; ///< of what log Z is off by, run by run
    double relative = 0.0;       ///< the mean of (Z-hat/Z - 1)^2
    double effective = 0.0;      ///< families by their weight, for 1,000 evaluations
    double ancestors = 0.0;      ///< distinct x_0 of the particles, as a share of N
    double evaluations = 0.0;
    index_t dead = 0, warned = 0, plain = 0;
    index_t silent = 0; ///< runs off by more than 4 of the errors that they state

    [[nodiscard]] double mean_square() const {
        double sum = 0.0;
        for (const double s : squares) sum += s / static_cast<double>(squares.size());
        return sum;
    }
    [[nodiscard]] double error() const { return std::sqrt(mean_square()); }
    /// The standard error of error(), by the spread of the squares.
    [[nodiscard]] double error_of_error() const {
        const auto n = static_cast<double>(squares.size());
        double spread = 0.0;
        for (const double s : squares) spread += square(s - mean_square()) / std::max(n - 1.0, 1.0);
        return std::sqrt(spread / n) / (2.0 * error());
    }
};

/// Runs a method `runs` times, by samplers that make() makes.
template <class Problem, class Make>
figures many(const context& where, const Problem& of, const options& chosen, std::uint64_t method,
             const Make& make) {
    figures all;
    const auto runs = static_cast<double>(chosen.runs);
    for (std::uint64_t k = 0; k < static_cast<std::uint64_t>(chosen.runs); ++k) {
        auto sampler = make();
        auto run = sampler.start(where, philox{chosen.seed}.split(1000 * method + k));
        const auto particles = run.particles().columns();
        all.plain += run.plan.plain();
        diamond::cost before = sampler.spent();
        double log_z = 0.0;
        try {
            for (; !run.done(); before = sampler.spent()) sampler.step(run);
            const auto result = sampler.finish(std::move(run));
            log_z = result.log_z;
            const auto spent = static_cast<double>(result.spent.evaluations());
            all.evaluations += spent / runs;
            all.effective += 1000.0 / spent / runs /
                             diamond::family_square(result.weights(), result.families);
            const std::set<std::int32_t> distinct(result.families.begin(), result.families.end());
            all.ancestors += static_cast<double>(distinct.size()) / static_cast<double>(particles) / runs;
            all.warned += result.reliable ? 0 : 1;
            all.silent += std::abs(log_z - of.log_z) >
                          4.0 * std::hypot(result.log_z_standard_error, of.log_z_error);
        } catch (const diamond::dead_weights&) { // as if one of all draws had been allowed, at r = 0
            log_z = -std::log(static_cast<double>(std::max(particles, run.plan.draws + run.pilot.draws)));
            all.evaluations += static_cast<double>((run.spent + (sampler.spent() - before)).evaluations()) /
                               runs;
            ++all.dead, ++all.warned;
        }
        all.squares.push_back(square(log_z - of.log_z));
        all.relative += square(std::exp(log_z - of.log_z) - 1.0) / runs;
    }
    return all;
}

/// The methods on a problem, a row each.
template <class Problem>
void compare(studies::report& told, const context& where, const Problem& of, const options& chosen) {
    const auto by = [&](diamond::smc_options o, index_t samples, const auto&... rest) {
        return diamond::smc{of.kernel, diamond::posterior_value{of.draws, of.reward, {.samples = samples}}, o,
                            rest...};
    };
    const auto sampler = [&](const diamond::smc_options& o, index_t samples) { return by(o, samples); };
    const index_t n = chosen.particles, k = chosen.steps;
    const auto usual = many(where, of, chosen, 0, [&] { return sampler({.particles = n, .steps = k}, 1); });
    // The chain's law is the model's, whatever its steps: drawn at once, and counted at k evaluations a draw.
    const auto draws = static_cast<index_t>(usual.evaluations) / k;
    auto plain = many(where, of, chosen, 1,
                      [&] { return sampler({.particles = draws, .steps = 1, .threshold = 0.0}, 1); });
    plain.evaluations *= static_cast<double>(k);
    plain.effective /= static_cast<double>(k);
    const auto values = [&](index_t particles) {
        return diamond::smc_options{.particles = particles, .steps = k, .plain_ratio = 0.0};
    };
    const auto by_values = many(where, of, chosen, 2, [&] { return sampler(values(n), 1); });
    // Fewer particles by better values, and with moves, each of which costs a transition and as many values.
    const index_t fewer = std::max<index_t>(n / 4, 2);
    const auto by_4 = many(where, of, chosen, 3, [&] { return sampler(values(fewer), 4); });
    const auto moved = many(where, of, chosen, 4, [&] {
        return by(values(fewer), 4, diamond::systematic{}, diamond::crank_nicolson{.moves = 1, .beta = 0.3});
    });
    const auto row = [&](const std::string& method, const figures& f) {
        const auto count = [](index_t k, index_t among) { return text("%td of %td", k, among); };
        const double ratio = f.error() / plain.error(),
                     error = ratio * std::hypot(f.error_of_error() / f.error(),
                                                plain.error_of_error() / plain.error());
        told.row({of.name + ": " + method,
                  {"%.3f ± %.3f", f.error(), f.error_of_error()},
                  {"%.2f ± %.2f", ratio, &f == &plain ? 0.0 : error},
                  {"%.3f", std::sqrt(f.relative)},
                  {"%.2f", f.effective},
                  {"%.3f", f.ancestors},
                  {"%.0f", f.evaluations},
                  count(f.plain, chosen.runs),
                  count(f.dead, chosen.runs),
                  count(f.warned, chosen.runs),
                  count(f.silent, chosen.runs)});
    };
    row("importance sampling", plain);
    row("default", usual);
    row("SMC, values of 1 draw", by_values);
    row(text("SMC, %td particles, values of 4 draws", fewer), by_4);
    row("the same with moves", moved);
}

void report(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md");
    studies::report told;
    told.line("# What a run without options does\n");
    told.line(
        text("%td runs of each method, %td particles, %td steps, seed %llu; brute force of %td draws where "
             "log Z has no closed form.",
             chosen.runs, chosen.particles, chosen.steps, static_cast<unsigned long long>(chosen.seed),
             chosen.truth));
    told.table(
        "methods", "Errors at equal evaluations",
        "The root mean square error of log Z, ± its own error, where a run whose draws are all forbidden "
        "counts as log(1/n) of its n draws; that by importance sampling's, draws of the same chain for "
        "the mean evaluations of the default; the root mean square of Z-hat/Z - 1; families of x_0 by "
        "their weight, for 1,000 evaluations; distinct x_0 that particles descend from, by the "
        "particles; evaluations; runs of plain weights by their pilot's choice, dead, that warn or "
        "state no error, and that are off by more than 4 of the errors that they state.",
        {"problem and method", "error of log Z", "by importance sampling's", "relative error of Z-hat",
         "effective draws for 1,000", "ancestors", "evaluations", "plain", "dead", "warned", "silent"});
    const auto wanted = [&](const char* name) {
        return chosen.only.empty() ||
               std::find(chosen.only.begin(), chosen.only.end(), name) != chosen.only.end();
    };
    if (wanted("a")) {
        compare(told, where, measured_normal(where, 16), chosen);
        compare(told, where, measured_normal(where, 64), chosen);
    }
    if (wanted("b")) compare(told, where, measured_mixture(where), chosen);
    if (wanted("c")) compare(told, where, rare_mode(where), chosen);
    if (wanted("e")) {
        const digit_problems digits(where, chosen.digits);
        for (const auto& name : digits::task_names())
            compare(told, where, digits(name, chosen.truth, philox{chosen.seed}.split(0)), chosen);
    }
    told.end_table();
    diamond::io::write_json(chosen.out / "report.json", told.json());
    told.write(chosen.out / "report.md");
}

int from_command_line(int argc, char** argv) {
    options chosen;
    CLI::App app{"Holds a default run of SMC against importance sampling for as many evaluations."};
    const auto number = [&](const char* name, index_t& of, index_t from, index_t most, const char* what) {
        app.add_option(name, of, what)->check(CLI::Range(from, most))->capture_default_str();
    };
    number("--runs", chosen.runs, 2, 10'000, "of each method on each problem");
    number("--particles", chosen.particles, 16, 1'000'000, "of a run");
    number("--steps", chosen.steps, 3, 10'000, "of a run");
    number("--truth", chosen.truth, 1024, 1'000'000'000,
           "direct draws for log Z of a reward that has no closed form");
    app.add_option("--problem", chosen.only, "a, b, c or e; all of them where none is named")
        ->check(CLI::IsMember(std::vector<std::string>{"a", "b", "c", "e"}));
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--digits", chosen.digits, "folder of the study digits, with its data")
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    report(chosen);
    return 0;
}

} // namespace defaults

int main(int argc, char** argv) {
    return examples::run_main("defaults", [&] { return defaults::from_command_line(argc, argv); });
}
