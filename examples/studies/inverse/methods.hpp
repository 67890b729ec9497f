/// This header runs the methods on a problem, by the exact model and by the learned Diamond map.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../digits/networks.hpp"
#include "../shared/posterior_runs.hpp"
#include "problem.hpp"

namespace inverse {

using budget = studies::run_size;
using outcome = studies::posterior_outcome;
using studies::by_chain, studies::by_guidance, studies::by_smc, studies::outcome_of;

/// A method of a model.
struct method {
    std::string name;
    std::function<outcome(const problem&, const context&, philox)> run;
};

/// Methods of the exact model, whose posterior draws are exact.
inline std::vector<method> exact_methods(const budget& size) {
    using diamond::no_condition;
    const diamond::linear_schedule schedule;
    const auto draws = [](const problem& p) { return diamond::exact_posterior{p.of.model}; };
    const auto kernel = [=](const problem& p) { return diamond::ddpm_posterior_kernel{draws(p)}; };
    return {
        {"exact draws",
         [=](const problem& p, const context& on, philox rng) {
             return outcome{.samples = p.posterior.draws(on, size.particles, rng),
                            .log_z = p.posterior.log_z(),
                            .exact = true};
         }},
        {"the prior",
         [=](const problem& p, const context& on, philox rng) {
             diamond::chain prior{kernel(p), {.particles = size.particles, .steps = 1}};
             return outcome_of(prior(on, rng), {});
         }},
        {"importance sampling",
         [=](const problem& p, const context& on, philox rng) {
             // twice as many evaluations as SMC has, for draws of one step are cheap
             const index_t n = size.particles * size.steps * 8;
             diamond::smc sampler{kernel(p),
                                  diamond::posterior_value{draws(p), p.reward, {.samples = 1}},
                                  {.particles = n, .steps = 1, .threshold = 0.0, .pilot_particles = 0}};
             return studies::outcome_of_smc(sampler(on, rng));
         }},
        {"SMC, posterior draws",
         [=](const problem& p, const context& on, philox rng) {
             return by_smc(on, rng, size, p.of.bandwidth, kernel(p),
                           diamond::posterior_value{draws(p), p.reward, {.samples = 4}}, no_condition{});
         }},
        {"SMC, moments",
         [=](const problem& p, const context& on, philox rng) {
             return by_smc(on, rng, size, p.of.bandwidth, kernel(p),
                           diamond::moment_value{draws(p), p.reward, {.samples = 4}}, no_condition{});
         }},
        {"SMC, guided, moments",
         [=](const problem& p, const context& on, philox rng) {
             const diamond::measurement_guided_kernel guided{
                 on, kernel(p), p.of.model, p.reward, {.variance = square(p.of.bandwidth)}};
             return by_smc(on, rng, size, p.of.bandwidth, guided,
                           diamond::moment_value{draws(p), p.reward, {.samples = 4}}, no_condition{});
         }},
        {"SMC, weighted Diamond",
         [=](const problem& p, const context& on, philox rng) {
             const diamond::ode_flow_map flow{p.of.model, diamond::explicit_midpoint{.steps = 2}};
             return by_smc(on, rng, size, p.of.bandwidth, kernel(p),
                           diamond::weighted_value{
                               diamond::best_density(schedule, p.of.model), flow, p.reward, {.samples = 2}},
                           no_condition{});
         }},
        {"renoise chains",
         [=](const problem& p, const context& on, philox rng) {
             return by_chain(on, rng, size, draws(p), p.reward, no_condition{});
         }},
        {"DPS",
         [=](const problem& p, const context& on, philox rng) {
             return by_guidance(on, rng, size, p.of.bandwidth, p.of.model,
                                diamond::denoised_value{schedule, p.of.model, p.reward}, no_condition{});
         }},
        {"guidance, moments",
         [=](const problem& p, const context& on, philox rng) {
             return by_guidance(on, rng, size, p.of.bandwidth, p.of.model,
                                diamond::moment_value{draws(p), p.reward, {.samples = 4}}, no_condition{});
         }},
        {"guidance, denoised moments", [=](const problem& p, const context& on, philox rng) {
             return by_guidance(on, rng, size, p.of.bandwidth, p.of.model,
                                diamond::denoised_moment_value{
                                    on, schedule, p.of.model, p.reward, {.variance = square(p.of.bandwidth)}},
                                no_condition{});
         }}};
}

/// Methods of the learned Diamond map, given the class.
inline std::vector<method> learned_methods(const budget& size, const digits::network& net) {
    const diamond::network_diamond_map<digits::network> map{net};
    const diamond::diamond_map_posterior draws{map};
    const diamond::network_velocity<digits::network> field{net};
    const diamond::early_stop_kernel kernel{map};
    return {{"learned, SMC, posterior draws",
             [=](const problem& p, const context& on, philox rng) {
                 return by_smc(on, rng, size, p.of.bandwidth, kernel,
                               diamond::posterior_value{draws, p.reward, {.samples = 2}},
                               diamond::labels{p.label});
             }},
            {"learned, SMC, guided, moments",
             [=](const problem& p, const context& on, philox rng) {
                 const diamond::measurement_guided_kernel guided{
                     on, kernel, field, p.reward, {.variance = square(p.of.bandwidth)}};
                 return by_smc(on, rng, size, p.of.bandwidth, guided,
                               diamond::moment_value{draws, p.reward, {.samples = 4}},
                               diamond::labels{p.label});
             }},
            {"learned, renoise chains",
             [=](const problem& p, const context& on, philox rng) {
                 return by_chain(on, rng, size, draws, p.reward, diamond::labels{p.label});
             }},
            {"learned, DPS", [=](const problem& p, const context& on, philox rng) {
                 return by_guidance(on, rng, size, p.of.bandwidth, field,
                                    diamond::denoised_value{diamond::linear_schedule{}, field, p.reward},
                                    diamond::labels{p.label});
             }}};
}

} // namespace inverse
