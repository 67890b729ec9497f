/// This header runs the methods on a problem, a row of figures each.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "truth.hpp"

namespace paths {

/// A row of the report. NaN stands for what a method has not.
struct row {
    std::string problem = {};
    bool hard = false;
    index_t repeat = 0;
    std::string method;
    index_t particles = 0, steps = 0;
    double mean_error = NAN, floor = NAN, log_z = NAN, log_z_se = NAN, log_z_exact = NAN,
           log_z_exact_se = NAN;
    double ess = NAN, evaluations = NAN, seconds = NAN;
    std::vector<std::string> warnings = {};
    double families = NAN, resampled = NAN; ///< of x_0 by their weight; steps that resampled
    bool dead = false;                      ///< no path of the run is feasible
    std::vector<float> some = {};           ///< paths drawn by weight, for the pictures
};

/// The times of all runs by soft values: one grid, whatever the problem, which ends at half of the deviation
/// of the soft constraint. The learned map's law at the end depends on the times, hence so does the truth.
inline std::vector<double> soft_times(index_t steps) {
    // [times]
    return diamond::noise_ratio_time_grid(diamond::linear_schedule{}, steps,
                                          {.first = 3.0, .last = 0.5 * soft_constraint{}.deviation});
    // [/times]
}

/// What all methods of a problem are given.
struct setting {
    const context& where;
    const network& net;
    const problem& of;
    /// The truths of the chains in one step, in so many equal steps, and by soft_times.
    const truth &at_once, &in_steps, &by_soft_times;
    index_t repeat, particles, steps;
    philox rng;
};

/// What a run of any method leaves: paths, weights that sum to 1, and what the row says beside. `draws` are
/// all that it has made, of which none was feasible where there are no weights.
inline void measure(row& to, const setting& given, const truth& exact, const batch& paths,
                    const std::vector<double>& weights, index_t draws) {
    to.problem = given.of.name;
    to.hard = given.of.share < 0.01;
    to.repeat = given.repeat;
    to.log_z_exact = exact.log_z();
    to.log_z_exact_se = exact.standard_error();
    to.floor = exact.floor(to.particles);
    to.dead = weights.empty();
    if (to.dead) {
        to.log_z = -std::log(static_cast<double>(draws));
        to.warnings.push_back("no path is feasible: log Z counts as that of one in " + std::to_string(draws));
        return;
    }
    double squares = 0.0;
    for (index_t i = 0; i < dimension; ++i) {
        double mean = 0.0;
        for (index_t j = 0; j < paths.columns(); ++j)
            mean += weights[static_cast<std::size_t>(j)] *
                    static_cast<double>(paths.data()[i + dimension * j]);
        squares += square(mean - exact.mean[static_cast<std::size_t>(i)]);
    }
    to.mean_error = std::sqrt(squares);
    constexpr int shown = 48; // quantiles of the weights
    double sum = weights[0];
    index_t j = 0;
    for (int k = 0; k < shown; ++k) {
        while (sum < (0.5 + k) / shown && j + 1 < paths.columns())
            sum += weights[static_cast<std::size_t>(++j)];
        to.some.insert(to.some.end(), paths.data() + dimension * j, paths.data() + dimension * (j + 1));
    }
}

/// Runs SMC by a kernel, a value and options, and holds it against the truth of its chain.
template <class Kernel, class Value>
row by_smc(const std::string& name, const setting& given, const truth& exact, Kernel kernel, Value value,
           const diamond::smc_options& options) {
    row to{.method = name, .particles = options.particles, .steps = given.steps};
    diamond::smc sampler{std::move(kernel), std::move(value), options};
    const diamond::stopwatch clock;
    auto run = sampler.start(given.where, given.rng);
    diamond::cost before = sampler.spent();
    try {
        for (; !run.done(); before = sampler.spent()) sampler.step(run);
        const auto result = sampler.finish(std::move(run));
        to.log_z = result.log_z;
        to.log_z_se = result.log_z_standard_error;
        to.ess = result.ess;
        to.evaluations = static_cast<double>(result.spent.evaluations());
        to.warnings = result.warnings;
        to.families = 1.0 / diamond::family_square(result.weights(), result.families);
        to.resampled = static_cast<double>(std::count_if(result.steps.begin(), result.steps.end(),
                                                         [](const auto& step) { return step.resampled; }));
        measure(to, given, exact, result.particles, result.weights(), options.particles);
    } catch (const diamond::dead_weights&) { // the step that failed is paid for, as the pilot is
        to.evaluations = static_cast<double>((run.spent + (sampler.spent() - before)).evaluations());
        const index_t plain = run.plan.plain() ? run.plan.draws + run.pilot.draws : 0;
        measure(to, given, exact, {}, {}, std::max(options.particles, plain));
    }
    to.seconds = clock.seconds();
    return to;
}
/// Draws by the chain in so many steps, and counts the feasible: plain importance sampling.
inline row by_importance(const std::string& name, const setting& given, const truth& exact, index_t steps,
                         index_t evaluations) {
    const index_t draws = std::max<index_t>(evaluations / steps, 1);
    row to{.method = name, .particles = draws, .steps = steps};
    const diamond::stopwatch clock;
    diamond::chain run(diamond::early_stop_kernel{diamond::network_diamond_map{given.net}},
                       {.particles = draws, .steps = steps});
    const auto drawn = run(given.where, given.rng);
    const constraint allowed{given.of.of};
    std::vector<double> weights;
    double feasible = 0.0;
    for (index_t j = 0; j < draws; ++j) {
        weights.push_back(allowed(drawn.particles.read().column(j)) == 0.0 ? 1.0 : 0.0);
        feasible += weights.back();
    }
    to.evaluations = static_cast<double>(drawn.spent.evaluations());
    to.ess = to.families = feasible;
    to.log_z = std::log(feasible / static_cast<double>(draws));
    if (feasible < 10.0)
        to.warnings.push_back("fewer than 10 paths are feasible");
    else
        to.log_z_se = std::sqrt(1.0 / feasible - 1.0 / static_cast<double>(draws));
    for (double& w : weights) w /= feasible;
    measure(to, given, exact, drawn.particles, feasible > 0.0 ? weights : std::vector<double>{}, draws);
    to.seconds = clock.seconds();
    return to;
}

/// The share of a penalty depth^2/(2 s^2) that stays when what it is of has a variance c about what the
/// denoiser says, as of data of variance v: s^2/(s^2 + c).
struct widened {
    double deviation, variance; ///< s and v
    double operator()(double t) const {
        const double c = diamond::posterior_variance(diamond::level_at(diamond::linear_schedule{}, t),
                                                     variance);
        return square(deviation) / (square(deviation) + c);
    }
};

/// Runs every method on a problem, for as many network evaluations as the default run has made; `tell` gets
/// each row when it is there.
inline void run_methods(const setting& given, const std::function<void(row)>& tell) {
    const diamond::network_diamond_map map{given.net};
    const diamond::early_stop_kernel kernel{map};
    const constraint allowed{given.of.of};
    // [values]
    const diamond::posterior_value of_draws{diamond::diamond_map_posterior{map}, allowed};

    // The constraint made soft, asked at the denoised path; it counts by what the denoiser knows.
    constexpr double variance = 0.1; // of a path's end
    const diamond::network_velocity field{given.net};
    const diamond::linear_schedule schedule;
    const soft_constraint soft{given.of.of};
    const diamond::annealed_value of_soft{
        diamond::surrogate_value{diamond::denoised_value{schedule, field, soft}, allowed},
        widened{soft.deviation, variance}};

    // The goal alone, as a measurement of the end.
    const disc& goal = given.of.of.goal;
    const std::vector<float> middle{static_cast<float>(goal.x), static_cast<float>(goal.y)};
    const diamond::mask_measurement<batch> end{given.where, dimension, {dimension - 2, dimension - 1}};
    const diamond::gaussian_measurement_reward near{given.where, end, middle, 0.5 * goal.radius};
    const diamond::surrogate_value of_goal{
        diamond::denoised_moment_value{given.where, schedule, field, near, {.variance = variance}}, allowed};
    const diamond::measurement_guided_kernel guided{given.where, kernel, field, near, {.variance = variance}};
    // [/values]
    row usual = by_smc("SMC, default", given, given.in_steps, kernel, of_draws,
                       {.particles = given.particles, .steps = given.steps});
    const auto budget = static_cast<index_t>(usual.evaluations);
    tell(std::move(usual));
    tell(by_smc("SMC, values of draws", given, given.in_steps, kernel, of_draws,
                {.particles = given.particles, .steps = given.steps, .plain_ratio = 0.0}));
    tell(by_importance("importance sampling", given, given.in_steps, given.steps, budget));
    tell(by_importance("importance sampling, one step", given, given.at_once, 1, budget));
    const auto within_budget = [&](const char* name, const auto& by, const auto& value) {
        // [options]
        diamond::smc_options options{
            .particles = 16, .times = soft_times(given.steps), .pilot_particles = 0}; // values that are
                                                                                      // finite need no delta
        // [/options]
        const row small = by_smc(name, given, given.by_soft_times, by, value, options);
        const double share = static_cast<double>(budget) / small.evaluations;
        options.particles = std::max<index_t>(2, static_cast<index_t>(16.0 * share));
        tell(by_smc(name, given, given.by_soft_times, by, value, options));
    };
    within_budget("SMC, soft constraint", kernel, of_soft);
    within_budget("SMC, soft goal", kernel, of_goal);
    within_budget("SMC, soft goal, guided", guided, of_goal);
}

} // namespace paths
