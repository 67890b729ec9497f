/// This header runs the methods on a problem, a row of figures each.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "metrics.hpp"
#include "part_first_kernel.hpp"

namespace measured {

/// A row of the report. NaN stands for what a method has not.
struct row {
    index_t problem = 0;
    std::string method;
    index_t particles = 0, steps = 0;
    double mean_error = NAN, floor = NAN, log_z = NAN, log_z_se = NAN, log_z_exact = NAN, ess = NAN;
    double evaluations = NAN, seconds = NAN;
    std::vector<std::string> warnings = {};
    double mmd = NAN, sliced_w2 = NAN, families = NAN;
    std::vector<float> cloud = {}; ///< the heaviest particles on the plane of the picture
};

/// What all methods of a problem are given.
struct setting {
    const problem& of;
    index_t number, particles;
    philox rng;
    double floor;          ///< the mean error of as many exact draws
    Eigen::MatrixXd exact; ///< exact draws
    Eigen::MatrixXd plane; ///< d x 2, what the picture shows of a particle
};

inline weighted_particles particles_of(const batch& x, const std::vector<double>& weights) {
    return {Eigen::Map<const Eigen::MatrixXf>(x.data(), x.rows(), x.columns()).cast<double>(),
            Eigen::Map<const Eigen::VectorXd>(weights.data(), static_cast<index_t>(weights.size()))};
}
inline void measure(row& to, const weighted_particles& found, const setting& given) {
    to.problem = given.number;
    to.floor = given.floor;
    to.log_z_exact = given.of.log_z;
    to.mean_error = mean_error(found, given.of);
    to.mmd = maximum_mean_discrepancy(found, given.exact);
    to.sliced_w2 = sliced_wasserstein(found, given.exact);
    // Particles stand in the picture as often as they weigh: 256 quantiles of the weights.
    const Eigen::MatrixXd seen = given.plane.transpose() * found.x;
    double sum = 0.0;
    index_t j = 0;
    for (int k = 0; k < 256; ++k) {
        const double level = (0.5 + k) / 256.0;
        while (sum + found.weight(j) < level && j + 1 < found.weight.size()) sum += found.weight(j++);
        to.cloud.insert(to.cloud.end(), {static_cast<float>(seen(0, j)), static_cast<float>(seen(1, j))});
    }
}

/// SMC by a kernel and a value.
template <class Kernel, class Value>
row by_smc(const std::string& name, const setting& given, index_t steps, Kernel kernel, Value value) {
    row to{.method = name, .particles = given.particles, .steps = steps};
    // Without a pilot: of 256 draws of a law of 256 dimensions none says anything of Z.
    diamond::smc sampler{std::move(kernel),
                         std::move(value),
                         {.particles = given.particles, .steps = steps, .pilot_particles = 0}};
    const auto result = sampler(*given.of.where, given.rng);
    to.log_z = result.log_z;
    to.log_z_se = result.log_z_standard_error;
    to.ess = result.ess;
    to.evaluations = static_cast<double>(result.spent.evaluations());
    to.seconds = result.seconds;
    to.warnings = result.warnings;
    to.families = 1.0 / diamond::family_square(result.weights(), result.families);
    measure(to, particles_of(result.particles, result.weights()), given);
    return to;
}
/// Plain importance sampling, weights exp r on draws of the mixture at one evaluation each.
inline row by_importance(const setting& given, index_t draws) {
    const diamond::stopwatch clock;
    row to{.method = "importance sampling", .particles = draws, .steps = 1};
    batch x(*given.of.where, given.of.size.dimension, draws);
    given.of.model().draw(given.rng.stream(purpose::initial), x.mutable_view());
    diamond::rebind_t<batch, double> rewards(*given.of.where, 1, draws);
    auto reward = given.of.reward();
    reward(x.read(), diamond::row(rewards));
    auto weights = diamond::to_host(rewards);
    const double high = *std::max_element(weights.begin(), weights.end());
    double sum = 0.0, squares = 0.0;
    for (double& w : weights) sum += w = std::exp(w - high);
    for (double& w : weights) squares += square(w /= sum);
    to.log_z = high + std::log(sum / static_cast<double>(draws));
    to.ess = 1.0 / squares;
    if (to.ess < 10.0)
        to.warnings.push_back("fewer than 10 effective draws");
    else
        to.log_z_se = std::sqrt(squares - 1.0 / static_cast<double>(draws));
    to.evaluations = static_cast<double>(draws);
    to.seconds = clock.seconds();
    measure(to, particles_of(x, weights), given);
    return to;
}

/// Runs every method on a problem; `tell` gets each row when it is there. Importance sampling, which has no
/// steps, is run where `with_plain` says so.
inline void run_methods(const setting& given, index_t steps, bool with_plain,
                        const std::function<void(row)>& tell) {
    const auto& on = *given.of.where;
    const auto model = given.of.model();
    const auto reward = given.of.reward();
    const diamond::exact_posterior draws{model};
    const diamond::linear_schedule schedule;
    const diamond::measurement_guided_kernel_options of_part{.variance = given.of.part_variance};
    // [kernels]
    const part_first_kernel part_first{given.of};
    const diamond::early_stop_kernel early_stop{
        diamond::glass_diamond_map{schedule, model, diamond::runge_kutta_4{.steps = 16}}};
    const diamond::measurement_guided_kernel guided{on, early_stop, model, reward, of_part};
    const diamond::measurement_guided_kernel guided_part{on, part_first, model, reward, of_part};
    // [/kernels]
    // [values]
    const diamond::exact_value exact{model, given.of.quadratic()};
    const diamond::posterior_value posterior{draws, reward};
    const diamond::moment_value moments{draws, reward, {.samples = 16}};
    const diamond::denoised_moment_value denoised{
        on, schedule, model, reward, {.variance = given.of.part_variance}};
    // [/values]
    const auto smc = [&](const char* name, const auto& kernel, const auto& value) {
        row one = by_smc(name, given, steps, kernel, value);
        tell(one);
        return one;
    };
    const row plain = smc("posterior values", part_first, posterior);
    if (with_plain) tell(by_importance(given, static_cast<index_t>(plain.evaluations)));
    smc("exact V", part_first, exact);
    smc("part first, guided, exact V", guided_part, exact);
    smc("part first, guided, moments of 16 draws", guided_part, moments);
    smc("part first, guided, denoised moments", guided_part, denoised);
    smc("early stop, guided, exact V", guided, exact);
    smc("early stop, guided, moments of 16 draws", guided, moments);
    smc("early stop, guided, denoised moments", guided, denoised);
}

} // namespace measured
