/// This header makes the report of one problem: posteriors as they are learned, corrected, and calibrated.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include <diamond/plot/panels.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/progress_line.hpp"
#include "../shared/report.hpp"
#include "calibration.hpp"
#include "classifier_test.hpp"
#include "posterior.hpp"

namespace inference {

using studies::cell, studies::text;

/// What a report is made of.
struct options {
    std::string task = "all";
    std::vector<index_t> simulations{10'000, 100'000}, evaluations{1, 2, 4, 8}, corrected{1, 4};
    index_t draws = 10'000, observations = 5, proposals = 200'000, particles = 8'192, steps = 8,
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

/// Returns the accuracy of a classifier of reference draws and as many of these, NaN for none.
inline double c2st_of(const reference& of, const std::vector<float>& theta, index_t dimension) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(of.draws.size(), theta.size()));
    if (count == 0) return NAN;
    return classifier_two_sample_test(std::vector<float>(of.draws.begin(), of.draws.begin() + count),
                                      std::vector<float>(theta.begin(), theta.begin() + count), dimension);
}
/// Returns the accuracies for each observation, several at a time.
inline std::vector<double> c2st_of(const std::vector<given_observation>& known,
                                   const std::vector<std::vector<float>>& theta, index_t dimension) {
    std::vector<std::future<double>> running;
    std::vector<double> result;
    for (std::size_t o = 0; o < known.size(); ++o)
        running.push_back(
            std::async(std::launch::async, [&, o] { return c2st_of(known[o].of, theta[o], dimension); }));
    for (auto& one : running) result.push_back(one.get());
    return result;
}
/// Returns the energy distance of reference draws and these, of the first 4,000 each, whose pairs are many.
inline studies::distance_estimate energy_distance_of(const reference& of, const std::vector<float>& theta,
                                                     index_t dimension) {
    const auto count = static_cast<std::ptrdiff_t>(
        std::min({of.draws.size(), theta.size(), static_cast<std::size_t>(4000 * dimension)}));
    const auto sample = [&](const std::vector<float>& all) {
        return studies::sample(studies::cloud({all.begin(), all.begin() + count}, dimension));
    };
    return studies::energy_distance(sample(of.draws), sample(theta));
}

inline double mean_of(const std::vector<double>& numbers) {
    double sum = 0.0;
    for (const double number : numbers) sum += number;
    return sum / static_cast<double>(numbers.size());
}
/// "0.51 0.52 ...", a number for each observation, and – where there is none.
inline std::string each(const std::vector<double>& numbers, const char* format) {
    std::string result;
    for (const double number : numbers) {
        if (!result.empty()) result += ' ';
        result += std::isnan(number) ? std::string("–") : text(format, number);
    }
    return result;
}

/// The report of one problem.
template <inference_task Task>
class problem_report {
public:
    problem_report(const context& where, const options& chosen, studies::report& told)
        : where_(where), chosen_(chosen), told_(told), rng_(philox{chosen.seed}.split(Task::numbers)) {
        for (const index_t n : chosen.simulations)
            networks_.push_back({n, load<diamond_map_network, Task>(where, chosen.weights, n),
                                 load<flow_map, Task>(where, chosen.weights, n)});
        auto references = reference_of(Task{}, chosen.data);
        references.resize(std::min(references.size(), static_cast<std::size_t>(chosen.observations)));
        progress("the evidence by brute force");
        for (auto& of : references) {
            const auto truth = evidence<Task>(where, of.x.data(), 3000, 20'000'000,
                                              rng_.split(700 + known_.size()));
            known_.push_back({std::move(of), truth});
        }
    }

    void run() {
        for (const auto& of : networks_) {
            learned(of.simulations, of.diamond_map, of.flow);
            corrected(of.simulations, of.diamond_map, of.flow);
            calibrated(of.simulations, of.diamond_map);
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
            std::vector<std::vector<float>> theta;
            double seconds = 0.0, energy = 0.0, error = 0.0;
            progress(name);
            for (std::size_t o = 0; o < known_.size(); ++o) {
                const observation<Task> at(where_, known_[o].of.x.data());
                const auto drawn = draw(where_, of, at.given(), chosen_.draws, k,
                                        rng_.split(20 + o).stream(purpose::user));
                theta.push_back(theta_of<Task>(drawn.z));
                seconds += drawn.seconds / observations();
            }
            const auto c2st = c2st_of(known_, theta, Task::parameters);
            for (std::size_t o = 0; o < known_.size(); ++o) {
                const auto found = energy_distance_of(known_[o].of, theta[o], Task::parameters);
                energy += found.value / observations();
                error += square(found.standard_error / observations());
            }
            if (pictured.empty()) pictured = theta;
            told_.row({name, each(c2st, "%.3f"), cell("%.3f", mean_of(c2st)),
                       cell("%.4f ± %.4f", energy, std::sqrt(error)), cell("%.3f", seconds)});
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
                "Proposals until %.0f are effective, at most %td, and %td resampled; islands of SMC of %td "
                "particles in %td steps. Effective: the share of the proposals, its mean and least over the "
                "observations; "
                "negative: the largest share of negative weights, where the map folds; tail: the largest "
                "tail index, above 0.7 of which weights have no standard error; evidence: log p(x) less that "
                "of brute force, in joint standard errors, by observation.",
                chosen_.effective, chosen_.proposals, chosen_.draws, chosen_.particles, chosen_.steps),
            {"draws", "C2ST by observation", "C2ST", "effective", "negative", "tail", "evidence",
             "evaluations a draw", "seconds"});
        std::vector<double> log_evidence;
        const auto tell = [&](const std::string& name, const auto& propose) {
            std::vector<std::vector<float>> theta;
            corrections all;
            index_t short_of = 0;
            progress(name);
            for (std::size_t o = 0; o < known_.size(); ++o) {
                const auto& known = known_[o];
                const observation<Task> at(where_, known.of.x.data());
                const weighted_draws found = propose(at.given(), known.of.x.data(), rng_.split(50 + o));
                const auto& estimate = found.estimate;
                theta.push_back(theta_of<Task>(resampled(found.of.z, Task::parameters, found.log_weights,
                                                         found.signs, chosen_.draws, 0.5)));
                all.effective.push_back(estimate.effective / static_cast<double>(found.count()));
                short_of += estimate.effective < chosen_.effective;
                all.negative = std::max(all.negative, estimate.negative);
                if (!(estimate.tail_index <= all.tail)) all.tail = estimate.tail_index;
                all.off.push_back((estimate.log_z - known.evidence.log_evidence) /
                                  std::hypot(estimate.standard_error, known.evidence.standard_error));
                all.spent += static_cast<double>(found.of.spent.evaluations()) /
                             std::max(estimate.effective, 1.0) / observations();
                all.seconds += found.of.seconds / observations();
                if (log_evidence.size() < known_.size())
                    log_evidence.push_back(std::isnan(estimate.log_z) ? 0.0 : estimate.log_z);
            }
            row(name, theta, all);
            if (all.tail > 0.7)
                told_.warn(name,
                           text("the weights' tail index is up to %.2f: where it is above 0.7 they have "
                                "no standard error, and the draws lack what was not seen",
                                all.tail));
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
        std::vector<std::vector<float>> theta;
        corrections all{.negative = NAN, .tail = NAN};
        const std::string name = text("SMC of early-stop transitions, %td steps", chosen_.steps);
        progress(name);
        for (std::size_t o = 0; o < known_.size(); ++o) {
            const auto& known = known_[o];
            const observation<Task> at(where_, known.of.x.data());
            const auto found = run_smc<Task>(where_, network, map, at.given(), known.of.x.data(),
                                             log_evidence[o], chosen_.particles, chosen_.steps,
                                             chosen_.effective, chosen_.proposals, rng_.split(80 + o));
            theta.push_back(theta_of<Task>(
                resampled(found.of.z, Task::parameters, found.log_weights, {}, chosen_.draws, 0.5)));
            all.effective.push_back(found.effective / static_cast<double>(found.proposed));
            all.off.push_back((found.log_z.log_z + log_evidence[o] - known.evidence.log_evidence) /
                              std::hypot(found.log_z.standard_error, known.evidence.standard_error));
            all.spent += static_cast<double>(found.of.spent.evaluations()) / std::max(found.effective, 1.0) /
                         observations();
            all.seconds += found.of.seconds / observations();
            if (found.folds)
                told_.warn(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)),
                           "some transitions folded and were left out: where they did, other branches count "
                           "twice");
            for (const auto& warning : found.log_z.warnings)
                told_.warn(name + text(", observation %td", static_cast<std::ptrdiff_t>(o + 1)), warning);
        }
        row(name, theta, all);
    }
    /// What a row of corrected draws says beside their distances.
    struct corrections {
        std::vector<double> effective = {}, off = {}; ///< by observation
        double negative = 0.0, tail = 0.0, spent = 0.0, seconds = 0.0;
    };
    void row(const std::string& name, const std::vector<std::vector<float>>& theta, const corrections& of) {
        const auto or_none = [](const char* format, double x) {
            return std::isnan(x) ? cell("–") : cell(format, x);
        };
        const auto c2st = c2st_of(known_, theta, Task::parameters);
        told_.row({name, each(c2st, "%.3f"), cell("%.3f", mean_of(c2st)),
                   cell("%.3f, least %.3f", mean_of(of.effective),
                        *std::min_element(of.effective.begin(), of.effective.end())),
                   or_none("%.4f", of.negative), or_none("%.2f", of.tail), each(of.off, "%.1f"),
                   cell("%.0f", of.spent), cell("%.1f", of.seconds)});
    }
    [[nodiscard]] double observations() const { return static_cast<double>(known_.size()); }

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
    struct pair_of_networks {
        index_t simulations;
        diamond_map_network diamond_map;
        flow_map flow;
    };
    std::vector<pair_of_networks> networks_;
    std::vector<given_observation> known_;
};

} // namespace inference
