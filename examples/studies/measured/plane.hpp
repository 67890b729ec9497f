/// This header runs the problem in the plane that other papers print: three Gaussians, of which one number is
/// measured.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../shared/progress_line.hpp"
#include "methods.hpp"

namespace measured {

/// The problem of Meta Flow Maps: weights 1/3, means (-3, -3), (0, 0) and (3, 3), covariance 0.5 I; measured
/// is y = 1.2 x_1 - 0.8 x_2 + 0.2 e, and y = -1.
struct plane_problem {
    static constexpr double variance = 0.5, deviation = 0.2, seen = -1.0, w[2] = {1.2, -0.8},
                            means[3] = {-3.0, 0.0, 3.0};
    double log_z = 0.0;
    double share[3] = {}; ///< of the posterior, by part

    plane_problem() {
        double sum = 0.0;
        for (int part = 0; part < 3; ++part) sum += share[part] = evidence(part) / 3.0;
        log_z = std::log(sum);
        for (double& s : share) s /= sum;
    }
    [[nodiscard]] static model_type model(const context& where) {
        return {where, {}, {1.0, 1.0, 1.0}, {-3, -3, 0, 0, 3, 3}, std::vector<double>(6, variance)};
    }
    [[nodiscard]] static reward_type reward(const context& where) {
        return {where, measurement_type{where, {static_cast<float>(w[0]), static_cast<float>(w[1])}, {0.0f}},
                std::vector<float>{static_cast<float>(seen)}, deviation};
    }
    /// n draws of the exact posterior, 2 x n.
    [[nodiscard]] Eigen::MatrixXd exact_draws(index_t n, philox rng) const {
        const auto stream = rng.stream(purpose::user);
        Eigen::MatrixXd x(2, n);
        const Eigen::Vector2d along = Eigen::Vector2d(w[0], w[1]);
        // Within a part, a draw of the prior is moved along the measurement to one of its posterior
        // (Matheron).
        for (index_t j = 0; j < n; ++j) {
            const auto normal = [&](index_t k) {
                return std::sqrt(-2.0 * std::log(stream.uniform(2 * k, j))) *
                       std::cos(6.283185307179586 * stream.uniform(2 * k + 1, j));
            };
            const double u = stream.uniform(6, j);
            const int part = u < share[0] ? 0 : u < share[0] + share[1] ? 1 : 2;
            Eigen::Vector2d z(means[part] + std::sqrt(variance) * normal(0),
                              means[part] + std::sqrt(variance) * normal(1));
            const double miss = seen - along.dot(z) - deviation * normal(2);
            x.col(j) = z + variance / spread() * miss * along;
        }
        return x;
    }

private:
    /// The variance of y in a part.
    [[nodiscard]] static double spread() {
        return variance * (square(w[0]) + square(w[1])) + square(deviation);
    }
    /// E[exp r] of a part: r has no constant.
    [[nodiscard]] static double evidence(int part) {
        const double miss = seen - (w[0] + w[1]) * means[part];
        return deviation / std::sqrt(spread()) * std::exp(-0.5 * square(miss) / spread());
    }
};

/// A method's figures over the seeds.
struct plane_line {
    std::string method;
    std::vector<double> sliced_w2 = {}, log_z = {};
    double evaluations = 0.0, seconds = 0.0; ///< of a run
    index_t warned = 0;
};

/// What one run gives.
struct plane_draws {
    Eigen::MatrixXd x;                ///< 2 x n
    std::vector<double> weights = {}; ///< empty: equal
    double log_z = NAN, evaluations = 0.0;
    bool warned = false;
};
inline Eigen::MatrixXd on_host(const batch& x) {
    return Eigen::Map<const Eigen::MatrixXf>(x.data(), x.rows(), x.columns()).cast<double>();
}

/// Runs every method on every seed; `learned` is a Diamond map of the three Gaussians that was trained from
/// draws of them.
template <class Learned>
std::vector<plane_line> run_plane(const context& where, const Learned& learned, philox rng, index_t seeds,
                                  index_t particles) {
    const plane_problem of;
    const auto model = plane_problem::model(where);
    const auto reward = plane_problem::reward(where);
    const diamond::exact_posterior draws{model};
    const diamond::linear_schedule schedule;
    // [plane]
    const auto times = diamond::noise_ratio_time_grid(schedule, 16, {.first = 3.0, .last = 0.1});
    const diamond::smc_options options{.particles = particles, .times = times, .pilot_particles = 0};
    const auto smc = [&](const auto& kernel, const auto& value, const diamond::smc_options& with) {
        return [&, sampler = diamond::smc{kernel, value, with}](philox seed) mutable {
            const auto run = sampler(where, seed);
            return plane_draws{on_host(run.particles), run.weights(), run.log_z,
                               static_cast<double>(run.spent.evaluations()), !run.reliable};
        };
    };
    const diamond::measurement_guided_kernel_options of_part{.variance = plane_problem::variance};
    const diamond::early_stop_kernel early_stop{learned};
    const diamond::network_velocity velocity{learned.network()};
    const diamond::diamond_map_posterior learned_draws{learned};
    const diamond::measurement_guided_kernel guided{where, early_stop, velocity, reward, of_part};
    const diamond::measurement_guided_kernel guided_exact{where, diamond::ddpm_posterior_kernel{draws}, model,
                                                          reward, of_part};
    const diamond::moment_value moments{learned_draws, reward, {.samples = 4}};
    // [/plane]
    std::vector<std::pair<std::string, std::function<plane_draws(philox)>>> methods;
    methods.emplace_back("exact draws, the floor", [&](philox seed) {
        return plane_draws{of.exact_draws(particles, seed), {}, NAN, static_cast<double>(particles)};
    });
    methods.emplace_back("exact model: SMC, default",
                         smc(diamond::ddpm_posterior_kernel{draws}, diamond::posterior_value{draws, reward},
                             {.particles = particles}));
    methods.emplace_back("exact model: SMC, moments, guided",
                         smc(guided_exact, diamond::moment_value{draws, reward, {.samples = 4}}, options));
    methods.emplace_back("learned map: importance sampling",
                         smc(early_stop, diamond::posterior_value{learned_draws, reward},
                             {.particles = 64 * particles, .steps = 1, .threshold = 0.0}));
    methods.emplace_back(
        "learned map: SMC, default",
        smc(early_stop, diamond::posterior_value{learned_draws, reward}, {.particles = particles}));
    methods.emplace_back("learned map: SMC, moments", smc(early_stop, moments, options));
    methods.emplace_back("learned map: SMC, moments, guided", smc(guided, moments, options));
    methods.emplace_back("learned map: guidance by 4 draws", [&](philox seed) {
        diamond::guidance by{velocity,
                             diamond::posterior_value{learned_draws, reward, {.samples = 4}},
                             {.particles = particles, .steps = 32}};
        const auto run = by(where, seed);
        return plane_draws{on_host(run.particles),
                           {},
                           NAN,
                           static_cast<double>(run.spent.evaluations()),
                           !run.warnings.empty()};
    });
    methods.emplace_back("learned map: renoise chain", [&](philox seed) {
        diamond::renoise_chain by{
            learned_draws, reward, {.particles = particles, .adaptation = 64, .steps = 128}};
        const auto run = by(where, seed);
        return plane_draws{
            on_host(run.particles), {}, NAN, static_cast<double>(run.spent.evaluations()), !run.reliable};
    });

    const studies::progress_line progress;
    std::vector<plane_line> lines;
    for (auto& [name, method] : methods) {
        plane_line line{.method = name};
        for (index_t k = 0; k < seeds; ++k) {
            const auto seed = rng.split(static_cast<std::uint64_t>(k));
            progress.show(name + ", seed " + std::to_string(k + 1) + " of " + std::to_string(seeds));
            const diamond::stopwatch clock;
            plane_draws run = method(seed);
            line.seconds += clock.seconds() / static_cast<double>(seeds);
            line.evaluations += run.evaluations / static_cast<double>(seeds);
            line.warned += run.warned;
            if (std::isfinite(run.log_z)) line.log_z.push_back(run.log_z - of.log_z);
            const weighted_particles found = run.weights.empty()
                                               ? equal_weights(std::move(run.x))
                                               : weighted_particles{
                                                     std::move(run.x),
                                                     Eigen::Map<const Eigen::VectorXd>(
                                                         run.weights.data(),
                                                         static_cast<index_t>(run.weights.size()))};
            line.sliced_w2.push_back(
                sliced_wasserstein(found, of.exact_draws(particles, seed.split(1)))); // other draws than the
                                                                                      // floor's
        }
        progress.finish(name + ": done");
        lines.push_back(std::move(line));
    }
    return lines;
}

} // namespace measured
