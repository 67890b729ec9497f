// Simulation-based inference: conditional Diamond maps and flow maps learn posteriors from simulations alone,
// draw them in a few evaluations, and importance weights and SMC lead the draws to the true posterior.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>
#include <diamond/plot/panels.hpp>

#include "../../run_main.hpp"
#include "../shared/energy_distance.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/progress_line.hpp"
#include "../shared/report.hpp"
#include "calibration.hpp"
#include "classifier_test.hpp"
#include "posterior.hpp"
#include "training.hpp"

namespace inference {

using studies::cell, studies::text;

struct options {
    std::string task = "all";
    std::vector<index_t> simulations{10'000, 100'000}, evaluations{1, 2, 4, 8}, corrected{1, 4};
    index_t draws = 10'000, observations = 5, proposals = 1'000'000, particles = 16'384, steps = 8,
            problems = 300;
    double effective = 20'000.0;
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path weights = std::filesystem::path(DIAMOND_EXAMPLE_DATA).parent_path() / "weights",
                          data = DIAMOND_EXAMPLE_DATA, out = "out/inference";
};

/// What is known of one observation beside the networks.
struct given_observation {
    reference of;
    brute_force evidence;
};

/// How far draws of theta are from the reference posterior.
struct distance {
    double c2st = NAN, energy = NAN, energy_error = NAN;
};
distance distance_of(const reference& of, const std::vector<float>& theta, index_t dimension, int threads) {
    const auto count = std::min(of.draws.size(), theta.size());
    const std::vector<float> first(of.draws.begin(), of.draws.begin() + static_cast<std::ptrdiff_t>(count)),
        second(theta.begin(), theta.begin() + static_cast<std::ptrdiff_t>(count));
    const auto part = static_cast<std::ptrdiff_t>(
        std::min(count, static_cast<std::size_t>(4000 * dimension))); // pairs are many
    const auto cloud = [&](const std::vector<float>& all) {
        return studies::sample(studies::cloud({all.begin(), all.begin() + part}, dimension));
    };
    const auto energy = studies::energy_distance(cloud(first), cloud(second));
    return {classifier_two_sample_test(first, second, dimension, {.threads = threads}), energy.value,
            energy.standard_error};
}

double mean_of(const std::vector<double>& numbers) {
    double sum = 0.0;
    for (const double number : numbers) sum += number;
    return sum / static_cast<double>(numbers.size());
}
/// "0.51 0.52 ...", a number for each observation.
std::string each(const std::vector<double>& numbers, const char* format) {
    std::string result;
    for (const double number : numbers) result += (result.empty() ? "" : " ") + text(format, number);
    return result;
}

/// What one task's part of the report is made of.
template <inference_task Task>
class part {
public:
    part(const context& where, const options& chosen, studies::report& told)
        : where_(where), chosen_(chosen), told_(told), rng_(philox{chosen.seed}.split(Task::numbers)) {
        auto references = reference_of(Task{}, chosen.data);
        references.resize(std::min(references.size(), static_cast<std::size_t>(chosen.observations)));
        for (auto& of : references) {
            const auto truth = evidence<Task>(where, of.x.data(), 6000, 20'000'000, rng_.split(7));
            known_.push_back({std::move(of), truth});
        }
    }

    void run() {
        for (const index_t n : chosen_.simulations) {
            const auto network = load<diamond_map_network, Task>(where_, chosen_.weights, n);
            const auto map = load<flow_map, Task>(where_, chosen_.weights, n);
            learned(n, network, map);
            corrected(n, network, map);
            calibrated(n, network);
        }
    }

private:
    [[nodiscard]] std::string title(const std::string& what, index_t simulations) const {
        return std::string(Task::name) + ", " + std::to_string(simulations) + " simulations: " + what;
    }
    void progress(const std::string& what) const { progress_.show(std::string(Task::name) + ": " + what); }

    /// Draws as they are learned.
    void learned(index_t n, const diamond_map_network& network, const flow_map& map) {
        told_.table(std::string(Task::name) + "_" + std::to_string(n) + "_learned", title("as learned", n),
                    text("%td draws of each posterior against its reference. C2ST: the accuracy of a "
                         "classifier, 0.5 where it tells nothing, by observation and on average.",
                         chosen_.draws),
                    {"draws", "C2ST by observation", "C2ST", "energy distance", "seconds"});
        std::vector<std::vector<float>> pictured;
        const auto tell = [&](const std::string& name, const auto& of, index_t k) {
            std::vector<double> c2st, energy;
            double error = 0.0, seconds = 0.0;
            for (std::size_t o = 0; o < known_.size(); ++o) {
                progress(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)));
                const observation<Task> at(where_, known_[o].of.x.data());
                const auto drawn = draw(where_, of, at.given(), chosen_.draws, k,
                                        rng_.split(20 + o).stream(purpose::user));
                const auto theta = theta_of<Task>(drawn.z);
                const auto found = distance_of(known_[o].of, theta, Task::parameters, chosen_.threads);
                c2st.push_back(found.c2st);
                energy.push_back(found.energy);
                error += square(found.energy_error);
                seconds += drawn.seconds / static_cast<double>(known_.size());
                if (k == chosen_.evaluations.front() && pictured.size() < known_.size())
                    pictured.push_back(theta);
            }
            told_.row(
                {name, each(c2st, "%.3f"), cell("%.3f", mean_of(c2st)),
                 cell("%.4f ± %.4f", mean_of(energy), std::sqrt(error) / static_cast<double>(known_.size())),
                 cell("%.3f", seconds)});
        };
        for (const index_t k : chosen_.evaluations)
            tell("Diamond map, " + studies::evaluations(k), network, k);
        for (const index_t k : chosen_.evaluations)
            tell("flow map, " + studies::evaluations(k), map.network(), k);
        told_.end_table();
        picture(n, pictured);
    }

    /// Draws led to the true posterior.
    void corrected(index_t n, const diamond_map_network& network, const flow_map& map) {
        told_.table(
            std::string(Task::name) + "_" + std::to_string(n) + "_corrected", title("corrected", n),
            text(
                "Proposals until %.0f are effective, at most %td, and %td resampled; SMC of %td particles in "
                "%td steps. Effective: the share of the proposals, its mean and least over the observations; "
                "negative: the largest share of negative weights, where the map folds; evidence: log p(x) "
                "less that of brute force, in joint standard errors, by observation.",
                chosen_.effective, chosen_.proposals, chosen_.draws, chosen_.particles, chosen_.steps),
            {"draws", "C2ST by observation", "C2ST", "effective", "negative", "evidence",
             "evaluations a draw", "seconds"});
        std::vector<double> log_evidence;
        const auto tell = [&](const std::string& name, const auto& propose) {
            std::vector<double> c2st, effective, off, spent;
            double negative = 0.0, seconds = 0.0;
            index_t short_of = 0;
            for (std::size_t o = 0; o < known_.size(); ++o) {
                progress(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)));
                const observation<Task> at(where_, known_[o].of.x.data());
                const weighted_draws found = propose(at.given(), known_[o].of.x.data(), rng_.split(50 + o));
                const auto z = resampled(found.of.z, Task::parameters, found.log_weights, found.signs,
                                         chosen_.draws, 0.5);
                c2st.push_back(
                    distance_of(known_[o].of, shuffled(theta_of<Task>(z)), Task::parameters, chosen_.threads)
                        .c2st);
                const auto count = static_cast<double>(found.count());
                effective.push_back(found.estimate.effective / count);
                short_of += found.estimate.effective < chosen_.effective;
                negative = std::max(negative, found.estimate.negative);
                off.push_back((found.estimate.log_z - known_[o].evidence.log_evidence) /
                              std::hypot(found.estimate.standard_error, known_[o].evidence.standard_error));
                spent.push_back(static_cast<double>(found.of.spent.evaluations()) /
                                std::max(found.estimate.effective, 1.0));
                seconds += found.of.seconds / static_cast<double>(known_.size());
                if (log_evidence.size() < known_.size()) log_evidence.push_back(found.estimate.log_z);
            }
            row(name, c2st, effective, negative, off, spent, seconds);
            if (short_of > 0)
                told_.warn(name, text("%td of %td observations stayed below %.0f effective draws in %td "
                                      "proposals: their draws repeat, and C2ST counts that",
                                      short_of, static_cast<std::ptrdiff_t>(known_.size()), chosen_.effective,
                                      chosen_.proposals));
        };
        for (auto k = chosen_.corrected.rbegin(); k != chosen_.corrected.rend(); ++k) // the best first
            tell("Diamond map, " + studies::evaluations(*k) + ", determinants",
                 [&](const conditions& given, const double* x, philox rng) {
                     return correct_by_determinants<Task>(where_, network, given, x, *k, chosen_.effective,
                                                          chosen_.proposals, rng);
                 });
        for (const index_t k : chosen_.corrected)
            tell("flow map, " + studies::evaluations(k) + ", learned density",
                 [&](const conditions& given, const double* x, philox rng) {
                     return correct_by_head<Task>(where_, map, given, x, k, chosen_.effective,
                                                  chosen_.proposals, rng);
                 });
        sequential(network, map, log_evidence);
        told_.end_table();
    }
    void sequential(const diamond_map_network& network, const flow_map& map,
                    const std::vector<double>& log_evidence) {
        std::vector<double> c2st, effective, off, spent;
        double seconds = 0.0;
        const std::string name = text("SMC of early-stop transitions, %td steps", chosen_.steps);
        for (std::size_t o = 0; o < known_.size(); ++o) {
            progress(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)));
            const observation<Task> at(where_, known_[o].of.x.data());
            const auto found = run_smc<Task>(where_, network, map, at.given(), known_[o].of.x.data(),
                                             log_evidence[o], chosen_.particles, chosen_.steps,
                                             rng_.split(80 + o));
            const auto z = resampled(diamond::to_host(found.particles), Task::parameters, found.log_weights,
                                     {}, chosen_.draws, 0.5);
            c2st.push_back(
                distance_of(known_[o].of, shuffled(theta_of<Task>(z)), Task::parameters, chosen_.threads)
                    .c2st);
            effective.push_back(found.ess / static_cast<double>(chosen_.particles));
            off.push_back((found.log_z + log_evidence[o] - known_[o].evidence.log_evidence) /
                          std::hypot(found.log_z_standard_error, known_[o].evidence.standard_error));
            spent.push_back(static_cast<double>(found.spent.evaluations()) / std::max(found.ess, 1.0));
            seconds += found.seconds / static_cast<double>(known_.size());
            for (const auto& warning : found.warnings)
                told_.warn(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)), warning);
        }
        row(name, c2st, effective, NAN, off, spent, seconds);
    }
    void row(const std::string& name, const std::vector<double>& c2st, const std::vector<double>& effective,
             double negative, const std::vector<double>& off, const std::vector<double>& spent,
             double seconds) {
        told_.row({name, each(c2st, "%.3f"), cell("%.3f", mean_of(c2st)),
                   cell("%.3f, least %.3f", mean_of(effective),
                        *std::min_element(effective.begin(), effective.end())),
                   std::isnan(negative) ? cell("–") : cell("%.4f", negative), each(off, "%.1f"),
                   cell("%.0f", mean_of(spent)), cell("%.1f", seconds)});
    }

    /// Ranks of true parameters among draws.
    void calibrated(index_t n, const diamond_map_network& network) {
        told_.table(std::string(Task::name) + "_" + std::to_string(n) + "_ranks", title("calibration", n),
                    text("Ranks of the true parameters of %td prior draws among 99 draws of the posterior "
                         "given what they simulate; p of a chi-squared test for even ranks, by parameter.",
                         chosen_.problems),
                    {"draws", "p by parameter", "least p", "even at 1 %"});
        for (const index_t k : chosen_.evaluations) {
            const auto found = calibrate<Task>(where_, network, chosen_.problems, k, rng_.split(90));
            told_.row({"Diamond map, " + studies::evaluations(k), each(found.p_values, "%.3f"),
                       cell("%.2g", found.least()), found.uniform(0.01) ? "yes" : "no"});
        }
        told_.end_table();
    }

    /// Draws come sorted by proposal; a classifier's folds want them mixed.
    [[nodiscard]] std::vector<float> shuffled(const std::vector<float>& theta) const {
        constexpr auto d = static_cast<std::size_t>(Task::parameters);
        std::vector<index_t> order(theta.size() / d);
        for (std::size_t j = 0; j < order.size(); ++j) order[j] = static_cast<index_t>(j);
        detail::shuffle(order, rng_.split(95).stream(purpose::user));
        std::vector<float> result;
        for (const index_t j : order)
            result.insert(result.end(), theta.begin() + j * Task::parameters,
                          theta.begin() + (j + 1) * Task::parameters);
        return result;
    }

    void picture(index_t n, const std::vector<std::vector<float>>& drawn) const {
        using namespace diamond::plot;
        const auto plane = [](const std::vector<float>& theta) {
            std::vector<float> points;
            constexpr std::size_t d = Task::parameters, most = 4000;
            for (std::size_t j = 0; j < std::min(theta.size() / d, most); ++j)
                for (const std::size_t i : {d == 2 ? 0U : 2U, d == 2 ? 1U : 3U})
                    points.push_back(theta[d * j + i]);
            return points;
        };
        panel_row row{.title = std::string(Task::name) + (Task::parameters == 2 ? "" : ", theta 3 and 4") +
                               ": references above, " + studies::evaluations(chosen_.evaluations.front()) +
                               " of the Diamond map below",
                      .columns = known_.size(),
                      .width = 150};
        row.x.range = row.y.range = value_range{-Task::bound, Task::bound};
        for (std::size_t o = 0; o < known_.size(); ++o)
            row.panels.push_back({.title = text("observation %td", static_cast<std::ptrdiff_t>(o + 1)),
                                  .clouds = {{.points = plane(known_[o].of.draws),
                                              .colour = colours::faded,
                                              .radius = 0.8,
                                              .alpha = 0.5}}});
        for (const auto& theta : drawn)
            row.panels.push_back(
                {.title = "",
                 .clouds = {
                     {.points = plane(theta), .colour = colours::palette[1], .radius = 0.8, .alpha = 0.5}}});
        told_.picture(chosen_.out, std::string(Task::name) + "_" + std::to_string(n), row);
    }

    const context& where_;
    const options& chosen_;
    studies::report& told_;
    philox rng_;
    studies::progress_line progress_;
    std::vector<given_observation> known_;
};

void report(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md");
    studies::report told;
    told.line("# Simulation-based inference\n");
    told.line(text("Posteriors of two problems of sbibm, drawn by networks that saw simulations alone; %td "
                   "observations, seed %llu.",
                   chosen.observations, static_cast<unsigned long long>(chosen.seed)));
    const auto run = [&]<class Task>(Task) {
        if (chosen.task != "all" && chosen.task != Task::name) return;
        part<Task>(where, chosen, told).run();
        told.write(chosen.out / "report.md"); // what is there so far
        diamond::io::write_json(chosen.out / "report.json", told.json());
    };
    run(two_moons{});
    run(slcp{});
    std::printf("\n%s: report.md, report.json and the pictures\n", chosen.out.c_str());
}

void train_all(const options& chosen, training_options training, const std::string& kind) {
    const context where{.threads = chosen.threads};
    const diamond::stopwatch clock;
    const auto run = [&]<class Task>(Task) {
        if (chosen.task != "all" && chosen.task != Task::name) return;
        for (const index_t n : chosen.simulations) {
            training.simulations = n;
            const auto one = [&]<class Network>(const char* name) {
                if (kind != "all" && kind != name) return;
                if (!train<Network, Task>(where, training))
                    std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n",
                                 file_of<Network, Task>(training.out, n).c_str());
            };
            one.template operator()<diamond_map_network>("diamond_map");
            one.template operator()<flow_map>("flow_map");
        }
    };
    run(two_moons{});
    run(slcp{});
    std::printf("%s: the networks, in %.0f s; inference --weights %s uses them\n", training.out.c_str(),
                clock.seconds(), training.out.c_str());
}

int from_command_line(int argc, char** argv) {
    options chosen;
    training_options training;
    std::string kind = "all";
    CLI::App app{
        "Draws posteriors of simulators in a few evaluations of conditional networks, and corrects "
        "them to the true posteriors by importance weights and SMC. Ten minutes on two cores from the "
        "shipped networks."};
    const auto number = [](CLI::App& to, const char* name, index_t& of, index_t from, index_t most,
                           const char* what) {
        to.add_option(name, of, what)->check(CLI::Range(from, most))->capture_default_str();
    };
    const auto common = [&](CLI::App& to) {
        to.add_option("--task", chosen.task, "which problem")
            ->check(CLI::IsMember({"two_moons", "slcp", "all"}))
            ->capture_default_str();
        to.add_option("--simulations", chosen.simulations, "of a network's training; several numbers")
            ->check(CLI::Range(index_t{100}, index_t{100'000'000}))
            ->capture_default_str();
        to.add_option("--threads", chosen.threads, "0: as many as can work at once")
            ->check(CLI::Range(0, 1024))
            ->capture_default_str();
    };
    common(app);
    number(app, "--draws", chosen.draws, 100, 10'000, "of each posterior, at most the reference's 10,000");
    number(app, "--observations", chosen.observations, 1, 5, "the first so many of the five");
    number(app, "--proposals", chosen.proposals, 100, 100'000'000, "at most, to correct a posterior");
    app.add_option("--effective", chosen.effective, "effective proposals at which it is enough")
        ->check(studies::between(1, 1e8))
        ->capture_default_str();
    number(app, "--particles", chosen.particles, 2, 10'000'000, "of SMC");
    number(app, "--steps", chosen.steps, 1, 10'000, "of SMC");
    number(app, "--problems", chosen.problems, 20, 100'000, "prior draws of the calibration");
    app.add_option("--evaluations", chosen.evaluations, "of draws as learned; several numbers")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--corrected", chosen.corrected, "evaluations of draws that are corrected")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--weights", chosen.weights, "folder of the networks")->capture_default_str();
    app.add_option("--data", chosen.data, "folder of observations and references")->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();

    auto& sub = *app.add_subcommand("train",
                                    "trains the networks, and goes on where an earlier run was broken "
                                    "off: three quarters of an hour on two cores");
    common(sub);
    sub.add_option("--network", kind, "which kind")
        ->check(CLI::IsMember({"diamond_map", "flow_map", "all"}))
        ->capture_default_str();
    constexpr const char* automatic = "; 0: by the number of simulations";
    const auto shape = [&](const char* name, index_t& of, index_t most, const std::string& what) {
        sub.add_option(name, of, what + automatic)
            ->check(CLI::Range(index_t{0}, most))
            ->capture_default_str();
    };
    shape("--steps", training.steps, 10'000'000, "of a training");
    shape("--width", training.width, 4096, "of the networks");
    shape("--blocks", training.blocks, 64, "residual layers of the networks");
    sub.add_option("--rate", training.rate, std::string("the peak of the learning rate") + automatic)
        ->check(studies::between(0, 10))
        ->capture_default_str();
    number(sub, "--batch", training.batch, 2, 65'536, "training states a step");
    number(sub, "--checkpoint", training.checkpoint, 1, 1'000'000, "steps between two checkpoints");
    sub.add_option("--seed", training.seed, "of simulations and training")
        ->check(studies::not_negative)
        ->capture_default_str();
    sub.add_option("--out", training.out, "folder of the networks")->capture_default_str();
    sub.add_flag("--fresh", training.fresh, "trains anew what is there");
    CLI11_PARSE(app, argc, argv);
    if (sub.parsed())
        train_all(chosen, training, kind);
    else
        report(chosen);
    return 0;
}

} // namespace inference

int main(int argc, char** argv) {
    return examples::run_main("inference", [&] { return inference::from_command_line(argc, argv); });
}
