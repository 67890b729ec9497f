/// This header runs the methods of alignment on a Diamond map of MNIST, each within so many evaluations of a
/// network for a sample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "alignment_numbers.hpp"
#include "study.hpp"

namespace mnist {

using studies::progress;

/// This family runs a network that is a Diamond map, and one that is a velocity, by one evaluation each.
struct network_family {
    const context* on;
    network map_of, velocity_of;

    [[nodiscard]] const context& where() const { return *on; }
    [[nodiscard]] auto map() const { return diamond::network_diamond_map<network>{map_of}; }
    [[nodiscard]] auto draws() const { return diamond::diamond_map_posterior{map()}; }
    [[nodiscard]] auto field() const { return diamond::network_velocity<network>{velocity_of}; }
    [[nodiscard]] auto flow_map() const { return diamond::network_flow_map<network>{map_of}; }
    [[nodiscard]] diamond::labels condition() const { return {}; }
    [[nodiscard]] index_t evaluations() const { return 1; }
};

/// Returns the family of a Diamond map: the taught one reads the teacher's velocity, another its own.
inline network_family family_of(const study& from, const std::string& name) {
    const network map = from.model_of(name);
    return {&from.where(), map, name == "taught" ? from.model_of("teacher") : map};
}

/// Options of a run, of which one sample may cost `budget` evaluations.
struct run_options {
    index_t budget, samples;
    index_t particles = 500; ///< at most, of one run of SMC
    diamond::philox rng{0};
};

/// Returns what the judge sees of an outcome.
inline judged_samples judged(const study& from, const any_reward& reward, const outcome& result) {
    const auto n = static_cast<index_t>(result.weights.size());
    judged_samples seen{.of = from.judge().classes_of(result.samples.data(), n),
                        .rewards = std::vector<double>(result.weights.size()),
                        .weights = result.weights,
                        .families = result.families};
    for (index_t j = 0; j < n; ++j) seen.ink.push_back(ink_of(result.samples.data() + pixels * j));
    const auto z = diamond::from_host<real>(from.where(), pixels, n, result.samples);
    reward(z.read(), diamond::row(from.where(), n, seen.rewards.data()));
    return seen;
}

/// A method of alignment. Its outcome has `samples` samples; `seen`, unless it is left empty, all that it
/// weighed.
struct alignment_method {
    std::string name, title;
    std::function<outcome(const study&, const network_family&, const any_reward&, const run_options&,
                          const progress&, judged_samples& seen)>
        run;
};

namespace detail {

/// Runs groups of at most `most` samples; `one` is given the size of a group and its generator.
template <class One>
outcome in_groups(const run_options& o, index_t most, const progress& tell, const One& one) {
    const index_t groups = (o.samples + most - 1) / most;
    std::vector<outcome> runs;
    for (index_t g = 0; g < groups; ++g) {
        const index_t n = (g + 1) * o.samples / groups - g * o.samples / groups;
        runs.push_back(one(n, o.rng.split(static_cast<std::uint64_t>(g)), [&](double share) {
            tell((static_cast<double>(g) + share) / static_cast<double>(groups));
        }));
    }
    return joined(std::move(runs));
}

inline auto value_of(const network_family& f, const any_reward& reward, index_t draws) {
    return diamond::posterior_value{f.draws(), reward, {.samples = draws}};
}

/// The share of its particles that SMC's pilot may draw, which counts in the budget.
constexpr double pilot_share = 0.25;

template <class Kernel, class Value>
outcome by_smc(const network_family& f, const Kernel& kernel, const Value& value, index_t steps,
               const run_options& o, const progress& tell) {
    return in_groups(o, o.particles, tell, [&](index_t n, diamond::philox rng, const progress& told) {
        return studies::run_smc(f, kernel, value,
                                {.particles = n,
                                 .steps = steps,
                                 .pilot_particles = std::min<index_t>(n, std::max<index_t>(1, n / 8)),
                                 .pilot_share = pilot_share,
                                 .plain_ratio = 0.0}, // what SMC does is what is asked
                                rng, told);
    });
}

/// Draws `budget` samples for each one that is wanted, weighs them by exp r, and keeps as many as are wanted,
/// each drawn by these weights from all draws. What is seen are all of them, in little memory.
inline outcome by_weighted_draws(const study& from, const network_family& f, const any_reward& reward,
                                 const run_options& o, const progress& tell, judged_samples& seen) {
    constexpr index_t at_once = 500;
    const index_t all = o.budget * o.samples;
    outcome out;
    out.samples.resize(static_cast<std::size_t>(pixels * o.samples));
    out.weights = studies::equal_weights(o.samples);
    out.families.assign(static_cast<std::size_t>(o.samples), 0);
    double total = -diamond::infinity; // log of the sum of weights so far
    for (index_t first = 0; first < all; first += at_once) {
        const index_t n = std::min(at_once, all - first);
        const auto rng = o.rng.split(static_cast<std::uint64_t>(first));
        const diamond::stopwatch clock;
        auto block = studies::run_plain(
            f, diamond::chain{diamond::ddpm_posterior_kernel{f.draws()}, {.particles = n, .steps = 1}}, rng,
            [](double) {});
        std::vector<double> log_weights(static_cast<std::size_t>(n));
        const auto z = diamond::from_host<real>(from.where(), pixels, n, block.samples);
        reward(z.read(), diamond::row(from.where(), n, log_weights.data()));
        // Each place holds a draw by weight of what came before, and takes one of the block by its share.
        const double high = *std::ranges::max_element(log_weights);
        const auto within = normalised(log_weights);
        if (high > -diamond::infinity) {
            double sum = 0.0;
            for (const double w : log_weights) sum += std::exp(w - high);
            const double own = high + std::log(sum), top = std::max(own, total);
            total = top + std::log(std::exp(own - top) + std::exp(total - top));
            const auto choice = rng.stream(diamond::purpose::user);
            for (index_t k = 0; k < o.samples; ++k) {
                if (choice.uniform(k, 0) >= std::exp(own - total)) continue;
                const index_t j = drawn_by(within, 1, choice.uniform(k, 1)).front();
                std::copy_n(block.samples.data() + pixels * j, pixels, out.samples.data() + pixels * k);
                out.families[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(first + j);
            }
        }
        out.spent += block.spent;
        out.spent.reward += n;
        out.seconds += clock.seconds();
        const auto of = from.judge().classes_of(block.samples.data(), n);
        seen.of.insert(seen.of.end(), of.begin(), of.end());
        for (index_t j = 0; j < n; ++j) {
            seen.ink.push_back(ink_of(block.samples.data() + pixels * j));
            seen.rewards.push_back(log_weights[static_cast<std::size_t>(j)]);
        }
        tell(static_cast<double>(first + n) / static_cast<double>(all));
    }
    seen.weights = normalised(seen.rewards);
    seen.families = studies::own_families(all);
    out.returned = o.samples;
    out.ess = effective(seen.weights);
    const auto count = static_cast<double>(all);
    out.log_z = total - std::log(count);
    out.log_z_se = std::sqrt(std::max(0.0, count / *out.ess - 1.0) / (count - 1.0));
    return out;
}

} // namespace detail

/// Returns the methods in the order of the report. Of each sample the transitions, the draws of values, and
/// SMC's pilot cost no more than the budget.
inline const std::vector<alignment_method>& alignment_methods() {
    using namespace diamond;
    using detail::by_smc, detail::in_groups, detail::value_of;
    constexpr index_t columns = 2000;                        // of a search at once
    constexpr double transition = 1.0 + detail::pilot_share; // of SMC, for each evaluation of its own
    const auto at_least_one = [](index_t n) { return std::max<index_t>(1, n); };
    static const std::vector<alignment_method> all{
        {"draws", "draws, no reward",
         [](const study&, const network_family& f, const any_reward&, const run_options& o,
            const progress& tell, judged_samples&) {
             return in_groups(o, columns, tell, [&](index_t n, philox rng, const progress& told) {
                 return studies::run_plain(
                     f, chain{ddpm_posterior_kernel{f.draws()}, {.particles = n, .steps = 1}}, rng, told);
             });
         }},
        {"weighted_draws", "weighted draws", detail::by_weighted_draws},
        {"best_of_n", "best of N",
         [=](const study&, const network_family& f, const any_reward& reward, const run_options& o,
             const progress& tell, judged_samples&) {
             return in_groups(
                 o, at_least_one(columns / o.budget), tell, [&](index_t n, philox rng, const progress& told) {
                     return studies::run_plain(f,
                                               best_of_n{ddpm_posterior_kernel{f.draws()},
                                                         reward,
                                                         {.winners = n, .candidates = o.budget, .steps = 1}},
                                               rng, told);
                 });
         }},
        {"beam", "beam",
         [=](const study&, const network_family& f, const any_reward& reward, const run_options& o,
             const progress& tell, judged_samples&) {
             constexpr index_t width = 2, children = 2;
             const auto plan = plan_of(static_cast<double>(o.budget) / (width * children), 1.0, 1.0);
             return in_groups(
                 o, at_least_one(columns / (width * children * plan.draws)), tell,
                 [&](index_t n, philox rng, const progress& told) {
                     return studies::run_plain(
                         f,
                         beam{ddpm_posterior_kernel{f.draws()},
                              value_of(f, reward, plan.draws),
                              {.beams = n, .width = width, .children = children, .steps = plan.steps}},
                         rng, told);
                 });
         }},
        {"tree_search", "tree search",
         [](const study&, const network_family& f, const any_reward& reward, const run_options& o,
            const progress& tell, judged_samples&) {
             const auto steps = std::clamp<index_t>(
                 static_cast<index_t>(std::sqrt(static_cast<double>(o.budget)) / 1.5), 2, 16);
             return in_groups(o, 500, tell, [&](index_t n, philox rng, const progress& told) {
                 return studies::run_plain(
                     f,
                     tree_search{ddpm_posterior_kernel{f.draws()},
                                 reward,
                                 {.trees = n, .evaluations = o.budget, .draws = 0, .steps = steps}},
                     rng, told);
             });
         }},
        {"guidance", "guidance",
         [=](const study&, const network_family& f, const any_reward& reward, const run_options& o,
             const progress& tell, judged_samples&) {
             // Two stages a step: a velocity and the draws.
             const auto steps = std::max<index_t>(
                 2, static_cast<index_t>(0.8 * std::sqrt(static_cast<double>(o.budget))));
             const index_t draws = std::max<index_t>(2, o.budget / (2 * steps) - 1);
             return in_groups(
                 o, at_least_one(columns / draws), tell, [&](index_t n, philox rng, const progress& told) {
                     return studies::run_plain(
                         f, guidance{f.field(), value_of(f, reward, draws), {.particles = n, .steps = steps}},
                         rng, told);
                 });
         }},
        {"guidance_pathwise", "guidance, pathwise",
         [=](const study&, const network_family& f, const any_reward& reward, const run_options& o,
             const progress& tell, judged_samples&) {
             // A draw costs one evaluation and a product that counts three.
             const auto steps = std::max<index_t>(
                 2, static_cast<index_t>(0.5 * std::sqrt(static_cast<double>(o.budget))));
             const index_t draws = at_least_one((o.budget / (2 * steps) - 1) / 4);
             return in_groups(
                 o, at_least_one(500 / draws), tell, [&](index_t n, philox rng, const progress& told) {
                     return studies::run_plain(
                         f,
                         guidance{f.field(),
                                  pathwise_posterior_value{f.draws(), reward, {.samples = draws}},
                                  {.particles = n, .steps = steps}},
                         rng, told);
                 });
         }},
        {"smc_early_stop", "SMC, early stop",
         [](const study&, const network_family& f, const any_reward& reward, const run_options& o,
            const progress& tell, judged_samples&) {
             const auto plan = plan_of(static_cast<double>(o.budget), transition, 1.0);
             return by_smc(f, early_stop_kernel{f.map()}, value_of(f, reward, plan.draws), plan.steps, o,
                           tell);
         }},
        {"smc_ddpm", "SMC, DDPM posterior",
         [](const study&, const network_family& f, const any_reward& reward, const run_options& o,
            const progress& tell, judged_samples&) {
             const auto plan = plan_of(static_cast<double>(o.budget), transition, 1.0);
             return by_smc(f, ddpm_posterior_kernel{f.draws()}, value_of(f, reward, plan.draws), plan.steps,
                           o, tell);
         }},
        {"smc_glass", "SMC, GLASS by ODE",
         [](const study&, const network_family& f, const any_reward& reward, const run_options& o,
            const progress& tell, judged_samples&) {
             constexpr index_t glass_steps = 1; // of the midpoint method, two evaluations
             const auto plan = plan_of(static_cast<double>(o.budget), 2.0 * transition, 1.0);
             return by_smc(
                 f, glass_kernel{linear_schedule{}, f.field(), explicit_midpoint{.steps = glass_steps}},
                 value_of(f, reward, plan.draws), plan.steps, o, tell);
         }},
        {"weighted_diamond", "weighted Diamond",
         [](const study&, const network_family& f, const any_reward& reward, const run_options& o,
            const progress& tell, judged_samples&) {
             // A look-ahead costs one evaluation, and the density by a trapezoid of scores two.
             const auto plan = plan_of(static_cast<double>(o.budget), transition, 3.0);
             return by_smc(f, ddpm_posterior_kernel{f.draws()},
                           weighted_value{best_density(linear_schedule{}, f.field()),
                                          f.flow_map(),
                                          reward,
                                          {.samples = plan.draws}},
                           plan.steps, o, tell);
         }},
    };
    return all;
}

} // namespace mnist
