// Sequential Monte Carlo with kernels that were trained too briefly: does it reach the exact model's Z?
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "draws.hpp"

namespace self_correction {

/// Independent islands of one composition.
struct islands_result {
    diamond::combined_log_z log_z;
    double evaluations = 0.0, seconds = 0.0; ///< a particle, all in all; of all islands
    double ess = NAN, mean_correction = NAN; ///< the least of a step's corrections, a share; the farthest from 1 of their means over the islands
    bool exact_for_sampler = false, exact_for_density = false, exact_for_model = false;
    index_t warned = 0;    ///< islands that warn
    std::string warning;   ///< the first of theirs
};

template <class Run>
islands_result islands(const study& s, const Run& run) {
    islands_result result;
    std::vector<double> log_z;
    std::vector<std::vector<diamond::smc_step>> steps;
    const auto count = s.chosen.islands;
    for (index_t k = 0; k < count; ++k) {
        const auto one = run(s.rng.split(100 + static_cast<std::uint64_t>(k)));
        log_z.push_back(one.log_z);
        steps.push_back(one.steps);
        result.evaluations += static_cast<double>(one.spent.evaluations()) / static_cast<double>(count * s.chosen.particles);
        result.seconds += one.seconds;
        result.exact_for_sampler = one.exact_for_sampler;
        result.exact_for_density = one.exact_for_density;
        result.exact_for_model   = one.exact_for_model;
        result.ess               = std::fmin(result.ess, one.correction_ess / static_cast<double>(s.chosen.particles));
        if (result.warning.empty() && !one.warnings.empty()) result.warning = one.warnings.front();
        result.warned += one.warnings.empty() ? 0 : 1;
    }
    result.log_z = diamond::combine_islands(log_z);
    for (std::size_t k = 0; k < steps.front().size(); ++k) {
        double mean = 0.0;
        for (const auto& of : steps) mean += std::exp(of[k].log_mean_correction) / static_cast<double>(count);
        if (!(std::abs(mean - 1.0) <= std::abs(result.mean_correction - 1.0))) result.mean_correction = mean;
    }
    return result;
}

inline constexpr index_t value_samples = 4, run_steps = 6;

/// A chain that corrects itself, and its values with it.
template <class Network>
auto corrected_run(const context& where, philox rng, const Network& network, const self_correction::network& flow, const reward_type& reward, index_t particles) {
    // [corrected]
    auto map     = diamond::posterior_diamond_map{network};                                                 // a joint network's draws know their density,
    auto density = diamond::joint_density{diamond::stepped_flow_map{diamond::network_joint_flow_map{flow}}}; // and a joint flow map that of the data, at all times:
    auto kernel  = diamond::corrected_kernel{diamond::early_stop_kernel{map}, density};                      // transitions that carry weights from one to the other,
    auto draws   = diamond::corrected_posterior{diamond::diamond_posterior{map}, density};                   // and posterior draws that do
    auto value   = diamond::posterior_value{draws, reward, {.samples = 4}};
    auto sampler = diamond::smc{kernel, value, {.particles = particles, .steps = 6}};
    auto result  = sampler(where, rng); // log Z and samples of the law that the flow map knows, however far off the chain is
    // [/corrected]
    return result;
}

/// Of a map without a correction.
template <class Map>
auto plain_run(const context& where, philox rng, const Map& map, const reward_type& reward, index_t particles) {
    diamond::posterior_value value{diamond::diamond_posterior{map}, reward, {.samples = value_samples}};
    return diamond::smc{diamond::early_stop_kernel{map}, value, {.particles = particles, .steps = run_steps}}(where, rng);
}
/// Of a kernel corrected to a density, with values by the map's draws as they are.
template <class Map, class Density>
auto half_corrected_run(const context& where, philox rng, const Map& map, const Density& density, const reward_type& reward, index_t particles) {
    diamond::posterior_value value{diamond::diamond_posterior{map}, reward, {.samples = value_samples}};
    diamond::corrected_kernel kernel{diamond::early_stop_kernel{map}, density};
    return diamond::smc{kernel, value, {.particles = particles, .steps = run_steps}}(where, rng);
}
template <class Map, class Density>
auto wholly_corrected_run(const context& where, philox rng, const Map& map, const Density& density, const reward_type& reward, index_t particles) {
    diamond::posterior_value value{diamond::corrected_posterior{diamond::diamond_posterior{map}, density}, reward, {.samples = value_samples}};
    diamond::corrected_kernel kernel{diamond::early_stop_kernel{map}, density};
    return diamond::smc{kernel, value, {.particles = particles, .steps = run_steps}}(where, rng);
}

/// Calls with(name, run) for every composition, run(rng).
template <class With>
void for_each_run(study& s, const With& with) {
    const auto& where      = s.where;
    const auto& reward     = s.reward;
    const index_t n        = s.chosen.particles;
    const network& taught  = s.networks.taught();
    const network& data    = s.networks.from_data();
    const network& flow    = s.networks.flow();
    const auto exact       = s.exact_density();
    const auto map_of      = [](const auto& network) { return diamond::posterior_diamond_map{network}; };
    const auto glass       = [](const auto& velocity, index_t steps) { return diamond::glass_diamond_map{linear_schedule{}, velocity, diamond::midpoint{.steps = steps}}; };
    const auto plain       = [&](const std::string& name, const auto& map) { with(name, [&](philox rng) { return plain_run(where, rng, map, reward, n); }); };
    const auto half        = [&](const std::string& name, const auto& map, const auto& density) { with(name, [&](philox rng) { return half_corrected_run(where, rng, map, density, reward, n); }); };
    plain("taught", map_of(taught));
    plain("from data alone", map_of(data));
    half("taught, corrected by its head", map_of(taught), exact);
    half("from data alone, corrected by its head", map_of(data), exact);
    half("taught, corrected by determinants", map_of(determinants{taught}), exact);
    half("from data alone, corrected by determinants", map_of(determinants{data}), exact);
    with("taught, determinants, values too", [&](philox rng) { return wholly_corrected_run(where, rng, map_of(determinants{taught}), exact, reward, n); });
    half("taught, determinants, joint density", map_of(determinants{taught}), density_of(flow, 2));
    with("taught, determinants, joint density, values too", [&](philox rng) { return corrected_run(where, rng, determinants{taught}, flow, reward, n); });
    for (const index_t steps : {4, 16}) plain(text("GLASS, exact velocity, %td steps", steps), glass(s.law, steps));
    for (const index_t steps : {4, 16}) plain(text("GLASS, learned velocity, %td steps", steps), glass(diamond::network_velocity{flow}, steps));
}

inline void tell_runs(study& s) {
    const double log_z = diamond::exact_value{s.law, s.reward}.log_z();
    std::vector<measured_run> measured;
    s.told.table("runs", "Sequential Monte Carlo",
                 text("Ẑ/Z over %td islands of %td particles, %td steps and %td posterior draws a value, its standard error from the spread of the islands; Z is exact, log Z = %.4f. ESS is the least "
                      "of a step's corrections on any island, the mean correction that of the step where it is farthest from 1. Corrections are to the exact density, or where it says so to the "
                      "joint flow map's.",
                      s.chosen.islands, s.chosen.particles, run_steps, value_samples, log_z),
                 {"run", "Ẑ/Z", "off by", "ESS %", "mean correction", "exact for", "evaluations a particle", "seconds"});
    for_each_run(s, [&](const std::string& name, const auto& run) {
        const auto found   = islands(s, run);
        const double ratio = std::exp(found.log_z.log_z - log_z), error = ratio * found.log_z.standard_error;
        const bool weighted = found.ess == found.ess;
        std::string exact   = found.exact_for_sampler ? "the sampler" : "the density";
        if (found.exact_for_model) exact += ", the model";
        s.told.row({name, cell("%.4f ± %.4f", ratio, error), cell("%.1f errors", std::abs(ratio - 1.0) / error), weighted ? cell("%.1f", 100.0 * found.ess) : cell("–"),
                    weighted ? cell("%.3f", found.mean_correction) : cell("–"), exact, cell("%.0f", found.evaluations), cell("%.1f", found.seconds)});
        if (found.warned > 0) s.told.warn(name, text("%td of %td islands warn, the first: ", found.warned, s.chosen.islands) + found.warning);
        measured.push_back({name, ratio, error, found.evaluations});
    });
    s.told.end_table();
    s.told.picture(s.chosen.out, "runs", picture_of_runs(measured));
}

} // namespace self_correction
