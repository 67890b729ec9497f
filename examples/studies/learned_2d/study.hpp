/// This header reports what a network learned of a law, as tables: posterior moments, values and their
/// gradients beside the exact ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/map/network_diamond_map.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>

#include "network.hpp"
#include "report.hpp"

namespace learned {

using diamond::philox, diamond::purpose;

struct position {
    double x, y;
};

struct options {
    training_options training;
    std::uint64_t seed = 1;
    index_t seeds = 1;          ///< the number of seeds, beginning with `seed`
    std::string device = "cpu"; ///< the device that trains
    int threads = 0;
    std::filesystem::path out = "out/learned_2d";
};

constexpr double outer_times[] = {0.2, 0.5, 0.8};
constexpr index_t all_evaluations[] = {1, 2, 4};

/// A subject is a law, with the noised points whose posteriors are shown: x_t = t z + (1 - t) eps.
template <class Model>
struct subject {
    std::string name, title;
    Model model;
    studies::plane plane;
    std::vector<std::pair<position, position>> seen; ///< z and eps
};
template <class Model> // clang 16 deduces no aggregates
subject(std::string, std::string, Model, studies::plane, std::vector<std::pair<position, position>>)
    -> subject<Model>;

/// A study holds what all parts of the report share. Every part has its own random numbers.
template <class Model>
struct study {
    const context& where;
    const options& chosen;
    const subject<Model>& of;
    network trained;
    report& told;
    philox rng;

    [[nodiscard]] auto sampler(index_t evaluations) const {
        return diamond::diamond_map_posterior{diamond::network_diamond_map{trained},
                                              {.evaluations = evaluations}};
    }
    /// Returns the points seen, at time t.
    [[nodiscard]] batch seen(double t) const {
        std::vector<float> x;
        for (const auto& [z, eps] : of.seen) {
            x.push_back(static_cast<float>(t * z.x + (1.0 - t) * eps.x));
            x.push_back(static_cast<float>(t * z.y + (1.0 - t) * eps.y));
        }
        return diamond::from_host<float>(where, 2, static_cast<index_t>(of.seen.size()), x);
    }
};

/// Reports posterior moments at a few x_t.
template <class Model>
void tell_moments(const study<Model>& s) {
    constexpr index_t draws = 20000; // for a standard error of 0.007 standard deviations
    std::vector<std::string> head{"draws of z given x_t", "mean", "covariance xx, xy, yy"};
    if (has_components<Model>) head.emplace_back("component weights");
    s.told.table(s.of.name + ", posteriors", "Posteriors of a few x_t",
                 text("From %td draws each: a mean has a standard error of 0.007 standard deviations, a "
                      "variance of 1 %%.",
                      draws),
                 head);
    for (const double t : outer_times) {
        const batch x = s.seen(t);
        const auto exact = exact_moments(s.of.model, x, t);
        const auto at = to_host(x);
        // These are draws and their components for each number of evaluations.
        std::vector<std::pair<std::vector<float>, std::vector<float>>> found;
        for (const index_t evaluations : all_evaluations) {
            batch z(s.where, 2, x.columns() * draws);
            s.sampler(evaluations)(x.read(), t, {}, s.rng.stream(purpose::value, evaluations, draws),
                                   z.mutable_view());
            found.emplace_back(to_host(z), component_weights(s.of.model, z, 1.0));
        }
        for (std::size_t j = 0; j < exact.size(); ++j) {
            const auto state = text("t = %.1f, x_t = (%.2f, %.2f): ", t, static_cast<double>(at[2 * j]),
                                    static_cast<double>(at[2 * j + 1]));
            s.told.row(cells(state + "**exact**", exact[j]), state + "exact");
            for (std::size_t k = 0; k < found.size(); ++k) {
                const auto name = evaluations(all_evaluations[k]);
                s.told.row(cells(name, sample_moments(found[k].first, found[k].second,
                                                      j * static_cast<std::size_t>(draws),
                                                      static_cast<std::size_t>(draws))),
                           state + name);
            }
        }
    }
}

/// Reports errors of posterior moments over many x_t.
template <class Model>
void tell_errors(const study<Model>& s) {
    constexpr index_t states = 500, draws = 256;
    std::vector<std::string> head{"t", "draws", "mean", "covariance"};
    if (has_components<Model>) head.emplace_back("component weights");
    s.told.table(
        s.of.name + ", errors of posterior moments", text("Errors of posterior moments over %td x_t", states),
        text(
            "Root mean squares over x_t of the data's law, from %td draws each with their Monte Carlo part "
            "subtracted: the mean in units of the exact posterior's standard deviation, |m - D|/sqrt(tr "
            "Cov); the covariance in units of its variance, |C - Cov|/tr Cov; component weights as they are.",
            draws),
        head);
    for (const double t : outer_times) {
        const batch x = noised_draws(s.where, s.of.model, t, states, s.rng.split(1));
        const auto exact = exact_moments(s.of.model, x, t);
        const auto tell = [&](const std::string& name, auto sampler, index_t step) {
            const auto errors = errors_of(s.of.model, std::move(sampler), x, t, exact,
                                          s.rng.stream(purpose::value, step, draws));
            const auto at = text("%.1f", t);
            std::vector<cell> row{at, name, number(errors.mean), number(errors.covariance)};
            if (has_components<Model>) row.push_back(number(errors.weights));
            s.told.row(row, "t = " + at + ", " + name);
        };
        for (const index_t evaluations : all_evaluations)
            tell(learned::evaluations(evaluations), s.sampler(evaluations), evaluations);
        tell("exact draws: the floor", diamond::exact_posterior{s.of.model}, 100);
    }
}

/// Reports values and gradients beside the exact ones.
template <class Model>
void tell_values(const study<Model>& s) {
    constexpr index_t states = 500;
    const auto tell_reward = [&](const std::string& name, const auto& reward) {
        s.told.table(
            s.of.name + ", values and gradients, " + name, "Values and gradients, " + name,
            text("Root mean square errors over %td x_t: of V in nats, of grad V as a share of the exact "
                 "gradient's. M draws for each x_t, Monte Carlo errors included.",
                 states),
            {"estimate", "V, t = 0.2", "V, 0.5", "V, 0.8", "grad V, t = 0.2", "grad V, 0.5", "grad V, 0.8"});
        std::vector<batch> x;
        std::vector<values> exact;
        for (const double t : outer_times) {
            x.push_back(noised_draws(s.where, s.of.model, t, states, s.rng.split(2)));
            exact.push_back(evaluate(diamond::exact_value{s.of.model, reward}, x.back(), t,
                                     s.rng.stream(purpose::value)));
        }
        std::vector<cell> size{"(the exact one itself, about its mean)"};
        for (const auto& e : exact) {
            double mean = 0.0, square = 0.0;
            for (const double v : e.value) mean += v / static_cast<double>(states);
            for (const double v : e.value) square += diamond::square(v - mean) / static_cast<double>(states);
            size.emplace_back("%.3f", std::sqrt(square));
        }
        size.insert(size.end(), 3, "1");
        s.told.row(size);
        const auto tell = [&](const std::string& estimate, const auto& estimator) {
            std::vector<cell> row{estimate}, gradients;
            for (std::size_t k = 0; k < exact.size(); ++k) {
                const auto [value, gradient] = errors_of(
                    evaluate(estimator, x[k], outer_times[k], s.rng.stream(purpose::value, 1)), exact[k]);
                row.emplace_back("%.3f", value);
                gradients.emplace_back("%.3f", gradient);
            }
            row.insert(row.end(), gradients.begin(), gradients.end());
            s.told.row(row);
        };
        const linear_schedule schedule;
        tell("r(D), the network's D",
             diamond::denoised_value{schedule, diamond::network_velocity{s.trained}, reward});
        tell("r(D), the exact D", diamond::denoised_value{schedule, s.of.model, reward});
        tell("r(X_{t,1}), the network's flow map",
             diamond::look_ahead_value{schedule, diamond::network_flow_map{s.trained}, reward});
        tell("r(X_{t,1}), 50 Runge-Kutta steps of the exact velocity",
             diamond::look_ahead_value{
                 schedule, diamond::ode_flow_map{s.of.model, diamond::runge_kutta_4{.steps = 50}}, reward});
        for (const index_t samples : {16, 256}) {
            const auto with = text(", M = %td", samples);
            tell(
                "posterior, exact draws" + with + ": the floor",
                diamond::posterior_value{diamond::exact_posterior{s.of.model}, reward, {.samples = samples}});
            tell("posterior, Diamond, 1 evaluation" + with,
                 diamond::posterior_value{s.sampler(1), reward, {.samples = samples}});
            for (const index_t evaluations : all_evaluations)
                tell("pathwise, Diamond, " + learned::evaluations(evaluations) + with,
                     diamond::pathwise_posterior_value{s.sampler(evaluations), reward, {.samples = samples}});
        }
    };
    tell_reward("r(z) = 0.8 x + 0.6 y", diamond::linear_reward(s.where, std::vector<float>{0.8f, 0.6f}));
    tell_reward("r(z) = -|z - (1, 0)|²/2",
                diamond::quadratic_reward(s.where, std::vector<float>{1, 0}, std::vector<float>{1, 1}));
}

} // namespace learned
