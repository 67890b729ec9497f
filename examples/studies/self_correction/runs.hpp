/// This header runs sequential Monte Carlo with kernels that were trained too briefly, and asks whether it
/// reaches the Z of the exact model.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "draws.hpp"

namespace self_correction {

/// This type summarises independent islands of one composition.
struct islands_result {
    diamond::combined_log_z log_z;
    /// The evaluations for one particle in a whole run, and the seconds of all islands.
    double evaluations = 0.0, seconds = 0.0;
    /// The least effective sample size of a step's corrections, as a share, and the mean of the corrections
    /// over the islands that is farthest from 1.
    double ess = NAN, mean_correction = NAN;
    /// Each holds only if it holds for all islands.
    bool exact_for_sampler = true, exact_for_density = true, exact_for_model = true;
    index_t warned = 0;  ///< the number of islands that warn
    std::string warning; ///< their first warning
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
        result.evaluations += static_cast<double>(one.spent.evaluations()) /
                              static_cast<double>(count * s.chosen.particles);
        result.seconds += one.seconds;
        result.exact_for_sampler = result.exact_for_sampler && one.exact_for_sampler;
        result.exact_for_density = result.exact_for_density && one.exact_for_density;
        result.exact_for_model = result.exact_for_model && one.exact_for_model;
        result.ess = std::fmin(result.ess, one.correction_ess / static_cast<double>(s.chosen.particles));
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

/// Runs a chain that corrects itself.
template <class Network>
auto corrected_run(const context& where, philox rng, const Network& network,
                   const self_correction::network& flow, const reward_type& reward, index_t particles) {
    // [corrected]
    // Draws that know their density. `network` is a diamond::jacobian_network{yours}, exact by its
    // determinants; or one with a learned divergence, which is a guess.
    auto map = diamond::network_diamond_map{network};
    // log p_t at every time, by a flow map with divergence.
    auto density = diamond::flow_density{diamond::stepped_flow_map{diamond::network_flow_map{flow}}};
    // Transitions that carry weights from the one to the other; values need none, for Z is unbiased whatever
    // they are.
    auto kernel = diamond::corrected_kernel{diamond::early_stop_kernel{map}, density};
    auto value = diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    auto sampler = diamond::smc{kernel, value, {.particles = particles, .steps = 6}};
    // The target is the density's law, tilted, whatever law the map draws from.
    auto result = sampler(where, rng);
    // [/corrected]
    return result;
}

inline constexpr index_t value_samples = 4, run_steps = 6; // in all other runs, too

/// Calls with(name, run) for every composition, where run(rng) runs it.
template <class With>
void for_each_run(study& s, const With& with) {
    const network &taught = s.networks.taught(), &data = s.networks.from_data(), &flow = s.networks.flow();
    const auto exact = s.exact_density();
    const auto by = [&](const std::string& name, const auto& kernel, const auto& draws) {
        with(name, [&](philox rng) {
            const diamond::posterior_value value{draws, s.reward, {.samples = value_samples}};
            return diamond::smc{
                kernel, value, {.particles = s.chosen.particles, .steps = run_steps, .plain_ratio = 0.0}}(
                s.where, rng);
        });
    };
    const auto plain = [&](const std::string& name, const auto& map) {
        by(name, diamond::early_stop_kernel{map}, diamond::diamond_map_posterior{map});
    };
    const auto corrected = [&](const std::string& name, const auto& network, const auto& density) {
        const diamond::network_diamond_map map{network};
        by(name, diamond::corrected_kernel{diamond::early_stop_kernel{map}, density},
           diamond::diamond_map_posterior{map});
    };
    const auto wholly_corrected = [&](const std::string& name, const auto& network, const auto& density) {
        const diamond::network_diamond_map map{network};
        by(name, diamond::corrected_kernel{diamond::early_stop_kernel{map}, density},
           diamond::corrected_posterior{diamond::diamond_map_posterior{map}, density});
    };
    const auto glass = [&](const std::string& name, const auto& velocity) {
        for (const index_t steps : {4, 16})
            plain("GLASS, " + name + text(" velocity, %td steps", steps),
                  diamond::glass_diamond_map{linear_schedule{}, velocity,
                                             diamond::explicit_midpoint{.steps = steps}});
    };
    plain("taught", diamond::network_diamond_map{taught});
    plain("from data alone", diamond::network_diamond_map{data});
    corrected("taught, corrected by its head", taught, exact);
    corrected("from data alone, corrected by its head", data, exact);
    corrected("taught, corrected by determinants", determinants{taught}, exact);
    corrected("from data alone, corrected by determinants", determinants{data}, exact);
    wholly_corrected("taught, determinants, values too", determinants{taught}, exact);
    with("taught, determinants, joint density", [&](philox rng) {
        return corrected_run(s.where, rng, determinants{taught}, flow, s.reward, s.chosen.particles);
    });
    wholly_corrected("taught, determinants, joint density, values too", determinants{taught},
                     density_of(flow, 2));
    glass("exact", s.law);
    glass("learned", diamond::network_velocity{flow});
}

inline void tell_runs(study& s) {
    const double log_z = diamond::exact_value{s.law, s.reward}.log_z();
    std::vector<measured_run> measured;
    s.told.table("runs", "Sequential Monte Carlo",
                 text("Ẑ/Z over %td islands of %td particles, %td steps and %td posterior draws a value, the "
                      "same random numbers in every row, the standard error from the spread of the islands; "
                      "Z is exact, log Z = %.4f. ESS is the least of a step's corrections on any island, the "
                      "mean correction that of the step where it is farthest from 1. Corrections are to the "
                      "exact density, or where it says so to the joint flow map's.",
                      s.chosen.islands, s.chosen.particles, run_steps, value_samples, log_z),
                 {"run", "Ẑ/Z", "off by", "ESS %", "mean correction", "exact for", "evaluations a particle",
                  "seconds"});
    for_each_run(s, [&](const std::string& name, const auto& run) {
        const auto found = islands(s, run);
        const double ratio = std::exp(found.log_z.log_z - log_z), error = ratio * found.log_z.standard_error;
        const bool weighted = found.ess == found.ess;
        std::string exact = found.exact_for_sampler ? "the sampler"
                          : found.exact_for_density ? "the density"
                                                    : "–";
        if (found.exact_for_model) exact += ", the model";
        s.told.row({name, cell("%.4f ± %.4f", ratio, error),
                    cell("%.1f errors", std::abs(ratio - 1.0) / error),
                    weighted ? cell("%.1f", 100.0 * found.ess) : cell("–"),
                    weighted ? cell("%.3f", found.mean_correction) : cell("–"), exact,
                    cell("%.0f", found.evaluations), cell("%.1f", found.seconds)});
        if (found.warned > 0)
            s.told.warn(name, text("%td of %td islands warn, the first: ", found.warned, s.chosen.islands) +
                                  found.warning);
        measured.push_back({name, ratio, error, found.evaluations});
    });
    s.told.end_table();
    s.told.picture(s.chosen.out, "runs", picture_of_runs(measured));
}

} // namespace self_correction
