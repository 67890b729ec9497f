/// The size of moves of crank_nicolson, found by small runs of their own before the run that uses it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include <diamond/align/rejuvenation.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// Options of fit_crank_nicolson.
struct crank_nicolson_fit_options {
    double acceptance = 0.3; ///< the mean share of accepted moves that is sought, in (0, 1)
    index_t particles = 256; ///< of each small run, at most those of the run itself
    index_t runs = 8;        ///< at least 1, at most 64: each halves the interval of log beta
    index_t moves = 1;       ///< moves a step, of the policy that is returned
};

/// What fit_crank_nicolson has found.
struct crank_nicolson_fit {
    crank_nicolson moves;    ///< to be given to smc
    double acceptance = NAN; ///< the mean share of accepted moves over the steps of the last small run
    /// Whether a small run has accepted as many as were sought. Where none has, it is the noise of values
    /// that refuses moves of any size: more samples a value help, a smaller beta does not.
    bool reached = false;
    cost spent; ///< the evaluations of all small runs
};

/// Finds the beta by which small runs of SMC accept the share of moves that is sought, on average over their
/// steps: 1 where that accepts as many, else by bisection of log beta in [0.001, 1].
///
/// The runs draw by streams of their own, so that moves of this size leave Z-hat of the run by the same rng
/// unbiased; beta would bias it if it came from that run's particles. Small runs use the kernel, the value
/// and the options of the large one, with fewer particles.
/// Cost: `runs` runs of that many particles. @throws std::invalid_argument naming the option that is out of
/// its range, and whatever smc throws.
template <class Kernel, class Value>
[[nodiscard]] crank_nicolson_fit fit_crank_nicolson(const backend_of_t<typename Kernel::batch_type>& context,
                                                    philox rng, const Kernel& kernel, const Value& value,
                                                    const smc_options& options,
                                                    const crank_nicolson_fit_options& fit = {},
                                                    const condition_of_t<Kernel>& condition = {}) {
    constexpr index_t most_runs = 64; // log beta is known to its last bit by then
    require(fit.acceptance > 0.0 && fit.acceptance < 1.0, [&] {
        return "fit_crank_nicolson seeks an acceptance of " + digits_of(fit.acceptance) +
               ": it lies between 0 and 1, without these";
    });
    require(fit.runs >= 1 && fit.runs <= most_runs,
            [&] { return "fit_crank_nicolson makes " + digits_of(fit.runs) + " runs: 1 to 64 are taken"; });
    constexpr std::uint64_t fit_stream = 0x6669745f6e0000; // any number that no user is likely to split by
    smc_options small = options;
    small.particles = std::min(fit.particles, options.particles); // conditions are of no more
    crank_nicolson_fit result;
    double low = std::log(1e-3), high = 0.0, log_beta = high;
    for (index_t run = 0; run < fit.runs; ++run) {
        result.moves = {.moves = fit.moves, .beta = std::exp(log_beta)};
        smc sampler{kernel, value, small, systematic{}, result.moves};
        const auto made = sampler(context, rng.split(fit_stream + static_cast<std::uint64_t>(run)),
                                  condition);
        result.spent += made.spent;
        double accepted = 0.0;
        index_t steps = 0;
        for (const smc_step& line : made.steps)
            if (!std::isnan(line.acceptance)) {
                accepted += line.acceptance;
                ++steps;
            }
        require(steps > 0, "fit_crank_nicolson needs a grid of at least 2 steps: there are no moves at the "
                           "last one");
        result.acceptance = accepted / static_cast<double>(steps);
        if (result.acceptance >= fit.acceptance) {
            result.reached = true;
            if (log_beta == 0.0) return result;
            low = log_beta;
        } else {
            high = log_beta;
        }
        log_beta = 0.5 * (low + high);
    }
    return result;
}

} // namespace diamond
