/// This header draws posteriors by conditional networks, and corrects the draws to the true posterior, whose
/// density likelihood x prior is known up to the evidence.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <diamond/diamond.hpp>

#include "../shared/folds.hpp"
#include "networks.hpp"

namespace inference {

/// Draws of a posterior in the coordinates z, and what they cost.
struct posterior_draws {
    std::vector<float> z; ///< parameters x n, a draw a column
    diamond::cost spent;
    double seconds = 0.0;
};

/// Draws n by k jumps of a network at t = 0: k evaluations a draw.
template <class Network>
posterior_draws draw(const context& where, const Network& network, const conditions& given, index_t n,
                     index_t k, diamond::noise_stream stream) {
    const diamond::stopwatch clock;
    diamond::stepped_flow_map map{diamond::network_flow_map{network}, {.steps = k}};
    batch noise(where, map.dimension(), n), z(where, map.dimension(), n);
    diamond::draw_normal(stream, noise.mutable_view());
    map(noise.read(), {0.0, 1.0}, given, z.mutable_view());
    return {diamond::to_host(z), map.spent(), clock.seconds()};
}

/// Returns log p(x | theta) + log N(z; 0, I) of each column of z: the log of the posterior's density times
/// the evidence p(x).
template <inference_task Task>
std::vector<double> log_target(const context& where, const std::vector<float>& z, const double* x) {
    constexpr index_t d = Task::parameters;
    std::vector<double> result(z.size() / d);
    where.for_each(static_cast<index_t>(result.size()), [&](index_t j) {
        double theta[d], log_prior = 0.0;
        for (index_t i = 0; i < d; ++i) {
            const auto number = static_cast<double>(z[static_cast<std::size_t>(i + d * j)]);
            theta[i] = theta_of<Task>(number);
            log_prior += diamond::detail::log_normal_density(number, 1.0);
        }
        result[static_cast<std::size_t>(j)] = Task::log_likelihood(theta, x) + log_prior;
    });
    return result;
}

/// Proposals with signed importance weights, whose mean estimates the evidence.
struct weighted_draws {
    posterior_draws of;
    std::vector<double> log_weights, signs;
    diamond::signed_estimate estimate;

    [[nodiscard]] index_t count() const { return static_cast<index_t>(log_weights.size()); }
};

/// Proposes until the effective number reaches `effective`, or `most` are proposed. propose(stream, n)
/// returns posterior_draws and writes log q and signs.
template <inference_task Task, class Propose>
weighted_draws correct(const context& where, const double* x, double effective, index_t most,
                       diamond::philox rng, const Propose& propose) {
    constexpr index_t most_at_once = 20'000;
    const diamond::stopwatch clock;
    weighted_draws all;
    for (index_t round = 0; all.count() < most && all.estimate.effective < effective; ++round) {
        const index_t n = std::min(most_at_once, most - all.count());
        std::vector<double> log_q, signs;
        const posterior_draws part = propose(rng.stream(diamond::purpose::user, round), n, log_q, signs);
        const auto target = log_target<Task>(where, part.z, x);
        for (std::size_t j = 0; j < target.size(); ++j) all.log_weights.push_back(target[j] - log_q[j]);
        all.signs.insert(all.signs.end(), signs.begin(), signs.end());
        all.of.z.insert(all.of.z.end(), part.z.begin(), part.z.end());
        all.of.spent += part.spent;
        all.estimate = diamond::estimate_of(all.log_weights, all.signs);
    }
    all.of.seconds = clock.seconds();
    return all;
}

/// Proposes by k jumps of the Diamond map, whose draws know their density by determinants.
template <inference_task Task>
weighted_draws correct_by_determinants(const context& where, const diamond_map_network& network,
                                       const conditions& given, const double* x, index_t k, double effective,
                                       index_t most, diamond::philox rng) {
    diamond::signed_draws draws(network, {.steps = k});
    return correct<Task>(where, x, effective, most, rng,
                         [&](diamond::noise_stream stream, index_t n, auto& log_q, auto& signs) {
                             batch z(where, Task::parameters, n);
                             diamond::rebind_t<batch, double> density(where, 1, n), sign(where, 1, n);
                             const auto before = draws.spent();
                             draws(stream, given, z.mutable_view(), row(density), row(sign));
                             log_q = diamond::to_host(density);
                             signs = diamond::to_host(sign);
                             return posterior_draws{diamond::to_host(z), draws.spent() - before, 0.0};
                         });
}
/// Proposes by k jumps of the flow map, whose head says the density: a guess, so that what is corrected by it
/// is as good as the head.
template <inference_task Task>
weighted_draws correct_by_head(const context& where, const flow_map& map, const conditions& given,
                               const double* x, index_t k, double effective, index_t most,
                               diamond::philox rng) {
    diamond::log_likelihood draws{map, {.steps = k, .base_deviation = map.base_deviation()}};
    return correct<Task>(where, x, effective, most, rng,
                         [&](diamond::noise_stream stream, index_t n, auto& log_q, auto& signs) {
                             batch z(where, Task::parameters, n);
                             diamond::rebind_t<batch, double> density(where, 1, n);
                             const auto before = draws.spent();
                             draws.draw(stream, given, z.mutable_view(), row(density));
                             log_q = diamond::to_host(density);
                             signs.assign(log_q.size(), 1.0);
                             return posterior_draws{diamond::to_host(z), draws.spent() - before, 0.0};
                         });
}

/// Draws n of weighted columns, with chances as their weights, systematically; none where no weight is
/// positive. Those of negative weight are left out, whose share of the mass is the estimate's `negative`.
inline std::vector<float> resampled(const std::vector<float>& z, index_t rows,
                                    const std::vector<double>& log_weights, const std::vector<double>& signs,
                                    index_t n, double uniform) {
    double largest = -diamond::infinity, sum = 0.0;
    const auto positive = [&](std::size_t j) { return signs.empty() || signs[j] > 0.0; };
    for (std::size_t j = 0; j < log_weights.size(); ++j)
        if (positive(j)) largest = std::max(largest, log_weights[j]);
    std::vector<double> upto;
    for (std::size_t j = 0; j < log_weights.size(); ++j)
        upto.push_back(sum += positive(j) ? std::exp(log_weights[j] - largest) : 0.0);
    std::vector<float> result;
    if (!(sum > 0.0)) return result;
    for (index_t k = 0; k < n; ++k) {
        const double at = (static_cast<double>(k) + uniform) / static_cast<double>(n) * sum;
        const auto j = std::min<index_t>(std::upper_bound(upto.begin(), upto.end(), at) - upto.begin(),
                                         static_cast<index_t>(upto.size()) - 1);
        result.insert(result.end(), z.begin() + j * rows, z.begin() + (j + 1) * rows);
    }
    return result;
}

/// log p_t of the learned flow map for t < 1, and at t = 1 that of the true posterior, given an estimate of
/// the evidence. Models marginal_density: a chain that is corrected to it ends at the true posterior, as far
/// as its transitions do not fold.
template <inference_task Task>
class true_posterior {
public:
    using batch_type = inference::batch;
    using condition_type = conditions;

    true_posterior(const flow_map& learned, const double* x, double log_evidence)
        : learned_(learned), x_(x, x + Task::numbers), log_evidence_(log_evidence) {}

    [[nodiscard]] index_t dimension() const { return Task::parameters; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return learned_.spent(); }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(diamond::const_view_t<batch_type> z, double t, const condition_type& given,
                    diamond::row_t<batch_type> out) {
        if (t < 1.0) return learned_(z, t, given, out);
        const auto target = log_target<Task>(z.context(), diamond::to_host(z), x_.data());
        for (index_t j = 0; j < out.columns(); ++j)
            out[j] = target[static_cast<std::size_t>(j)] - log_evidence_;
    }

private:
    diamond::flow_density<flow_map> learned_;
    std::vector<double> x_;
    double log_evidence_;
};

/// Particles of several runs of SMC, with weights among them all.
struct smc_draws {
    posterior_draws of;
    std::vector<double> log_weights;
    /// The effective size of the last step's weights; particles of one family count as if they were apart.
    double effective = 0.0;
    diamond::combined_log_z log_z; ///< of the evidence, over what the runs were given
    index_t proposed = 0;          ///< particles of all runs
    bool folds = false; ///< whether transitions folded somewhere, so that other branches count twice there
};

/// Runs SMC from noise to the true posterior in islands, at least five, until `effective` particles are
/// effective or `most` were used: early-stop transitions of the learned Diamond map, corrected by
/// determinants.
template <inference_task Task>
smc_draws run_smc(const context& where, const diamond_map_network& network, const flow_map& learned,
                  const conditions& given, const double* x, double log_evidence, index_t particles,
                  index_t steps, double effective, index_t most, diamond::philox rng) {
    using studies::determinants;
    const diamond::network_diamond_map map{determinants{network}};
    // There is no reward beside the posterior: the kernel's own weights lead to it.
    const diamond::linear_reward<batch> nothing{where, std::vector<float>(Task::parameters, 0.0F)};
    diamond::smc sampler{
        diamond::corrected_kernel{diamond::early_stop_kernel{map},
                                  true_posterior<Task>{learned, x, log_evidence}},
        diamond::posterior_value{
            diamond::diamond_map_posterior{diamond::network_diamond_map{network}}, nothing, {.samples = 1}},
        {.particles = particles,
         .steps = steps,
         .log_delta = -diamond::infinity,
         // The densities between are learned and need not have mass 1: they cancel from Z and from the law.
         .trust = {.largest_miss = diamond::infinity}}};
    const diamond::stopwatch clock;
    std::vector<diamond::smc_result<batch>> runs;
    smc_draws all;
    constexpr std::size_t least = 5; // whose spread is a standard error
    while (runs.size() < least ||
           (all.effective < effective && (static_cast<index_t>(runs.size()) + 1) * particles <= most)) {
        try {
            runs.push_back(sampler(where, rng.split(runs.size()), given));
        } catch (const diamond::dead_weights&) {
            runs.emplace_back().log_z = -diamond::infinity; // a zero in the mean of Z
        }
        all.folds = all.folds || !runs.back().exact_for_density;
        all.of.spent += runs.back().spent;
        if (runs.size() < least) continue;
        all.log_z = diamond::combine_islands(runs);
        double squares = 0.0;
        for (std::size_t k = 0; k < all.log_z.shares.size(); ++k)
            if (all.log_z.shares[k] > 0.0) squares += diamond::square(all.log_z.shares[k]) / runs[k].ess;
        all.effective = squares > 0.0 ? 1.0 / squares : 0.0;
    }
    for (std::size_t k = 0; k < all.log_z.shares.size(); ++k) {
        if (!(all.log_z.shares[k] > 0.0)) continue;
        const auto z = diamond::to_host(runs[k].particles);
        all.of.z.insert(all.of.z.end(), z.begin(), z.end());
        for (const double weight : runs[k].weights())
            all.log_weights.push_back(std::log(weight * all.log_z.shares[k]));
    }
    all.proposed = static_cast<index_t>(runs.size()) * particles;
    all.of.seconds = clock.seconds();
    return all;
}

/// The evidence p(x) by brute force, without any network.
struct brute_force {
    double log_evidence = 0.0, standard_error = 0.0; ///< of the logarithm
};
/// Computes the evidence: in two dimensions by the midpoint rule on a grid of `nodes` a side, whose error is
/// its difference from half as many; else as the mean likelihood of prior draws, with its standard error.
template <inference_task Task>
brute_force evidence(const context& where, const double* x, index_t nodes, index_t draws,
                     diamond::philox rng) {
    constexpr index_t d = Task::parameters;
    constexpr double width = 2.0 * Task::bound;
    if constexpr (d == 2) {
        const auto rule = [&](index_t side) {
            std::vector<double> sums(static_cast<std::size_t>(side), 0.0);
            const double step = width / static_cast<double>(side);
            where.for_each(side, [&](index_t i) {
                for (index_t j = 0; j < side; ++j) {
                    const double theta[] = {-Task::bound + step * (static_cast<double>(i) + 0.5),
                                            -Task::bound + step * (static_cast<double>(j) + 0.5)};
                    sums[static_cast<std::size_t>(i)] += std::exp(Task::log_likelihood(theta, x));
                }
            });
            double sum = 0.0;
            for (const double part : sums) sum += part;
            return std::log(sum / static_cast<double>(side) / static_cast<double>(side));
        };
        const double fine = rule(nodes);
        return {fine, std::abs(fine - rule(nodes / 2))};
    } else {
        constexpr index_t parts = 256;
        std::vector<double> log_likelihood(static_cast<std::size_t>(draws));
        const auto stream = rng.stream(diamond::purpose::user);
        where.for_each(parts, [&](index_t part) {
            for (index_t j = draws * part / parts; j < draws * (part + 1) / parts; ++j) {
                double theta[d];
                for (index_t i = 0; i < d; ++i) theta[i] = Task::bound * (2.0 * stream.uniform(j, i) - 1.0);
                log_likelihood[static_cast<std::size_t>(j)] = Task::log_likelihood(theta, x);
            }
        });
        const auto found = diamond::estimate_of(log_likelihood,
                                                std::vector<double>(log_likelihood.size(), 1.0));
        return {found.log_z, found.standard_error};
    }
}

} // namespace inference
