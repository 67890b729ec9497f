/// The options of sequential Monte Carlo, and the setting by which a run is known.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/run.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

/// The options of a run of smc. Values V and log Z are in nats.
struct smc_options {
    index_t particles = 1024; ///< N, 1 ... 2^31 - 1
    index_t steps = 16;       ///< K, the number of equal steps where `times` is empty
    /// The grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
    /// A step resamples when its effective sample size is below threshold N: 0 never resamples, above 1
    /// always does.
    double threshold = 0.5;
    /// The least conditional effective sample size of a step, as a share of N, 0 ... 1: where values differ
    /// so much that it would fall below, they count in part, (eq. smc-relaxation). 0 lets them count in full.
    double least_conditional_ess = 0.05;
    /// V_0, at which log Z starts: any number up to 2^30 in absolute value. All particles x_0 have it.
    double initial_value = 0.0;
    /// V_k is raised to this floor for k < K. Without one log_delta does that, and where that is -infinity,
    /// too, the floor is 1000 nats below the best value of the step.
    std::optional<double> value_floor = {};
    /// V_k = logaddexp(estimate, log delta) for k < K, with a delta that is fixed before the run; -infinity
    /// adds none. Where log_delta is not given, a pilot estimates log Z for it.
    std::optional<double> log_delta = {};
    /// The number of the pilot's first draws, which are made without the reward's influence, at most
    /// `particles`. With 0 there is no pilot, no delta and no advice.
    index_t pilot_particles = 512;
    /// The pilot doubles its draws until they have an effective sample size of 10 by weights exp r, or are
    /// this share of `particles`, at least 0: each draw costs as many transitions as a particle.
    double pilot_share = 1.0;
    /// Where the pilot says that plain weights have at most so many times the variance of Z that SMC by these
    /// values may be expected to have, or that values would be noise, the run takes plain weights: see
    /// smc_plan. With 0 it never does, and the run is SMC.
    double plain_ratio = 1.0;
    bool record_ancestors = false; ///< keeps the ancestors of each resampling, 4 bytes a particle
    smc_trust trust = {};          ///< the thresholds of the result's warnings
};

/// All numbers that a run depends on, name by name, as text with all digits. States and snapshots carry the
/// setting of the sampler that made them, and a sampler of another setting refuses them.
using smc_setting = std::map<std::string, std::string>;

namespace detail {

/// The largest V_0, floor or delta, which are added to values of any size: up to here a sum keeps 2.4e-7 of a
/// nat, at 1e20 none at all.
inline constexpr double largest_shift = 0x1p30;

/// @throws std::invalid_argument with name and number where the shift is NaN, or above largest_shift in
/// absolute value.
inline void require_shift(const char* name, double shift) {
    require(std::fabs(shift) <= largest_shift, [&] { // false for NaN
        return std::string(name) + " is " + digits_of(shift) +
               ": it is added to values, whose digits a number beyond +-" + digits_of(largest_shift) +
               " would swallow";
    });
}
/// @throws std::invalid_argument with name and number where a threshold of smc_trust is negative or NaN.
inline void require_trust(const char* name, double number) {
    require(number >= 0.0, [&] {
        return std::string("trust.") + name + " is " + digits_of(number) +
               ": it must be a number that is not negative";
    });
}

/// @throws std::invalid_argument naming the option that is out of its range, with its number.
inline void require_options(const smc_options& options) {
    require_particles("SMC", options.particles);
    require(options.threshold >= 0.0, [&] {
        return "the threshold is " + digits_of(options.threshold) +
               ": it must be a number that is not negative; 0 never resamples, above 1 always does";
    });
    require(options.least_conditional_ess >= 0.0 && options.least_conditional_ess <= 1.0, [&] {
        return "least_conditional_ess is " + digits_of(options.least_conditional_ess) +
               ": it is a share of the particles, from 0, for none, to 1";
    });
    require_shift("initial_value, V_0,", options.initial_value);
    if (options.value_floor) require_shift("value_floor, the floor of values,", *options.value_floor);
    if (options.log_delta && *options.log_delta != -infinity)
        require_shift("log_delta, which is -infinity for none,", *options.log_delta);
    require(options.pilot_particles >= 0 && options.pilot_particles <= most_particles, [&] {
        return "a pilot of " + digits_of(options.pilot_particles) +
               " particles: at least 0, for none, and at most 2^31 - 1 are needed";
    });
    require(options.pilot_share >= 0.0 && options.pilot_share <= static_cast<double>(most_particles), [&] {
        return "pilot_share is " + digits_of(options.pilot_share) +
               ": it is a multiple of the particles that is not negative, below 2^31";
    });
    require(options.plain_ratio >= 0.0 && options.plain_ratio < infinity, [&] {
        return "plain_ratio is " + digits_of(options.plain_ratio) +
               ": it is a ratio of two variances, a number that is not negative; 0 never takes plain weights";
    });
    require_trust("least_ess_share", options.trust.least_ess_share);
    require_trust("largest_share", options.trust.largest_share);
    require_trust("largest_floored", options.trust.largest_floored);
    require_trust("largest_range", options.trust.largest_range);
    require_trust("least_correction_share", options.trust.least_correction_share);
    require_trust("largest_miss", options.trust.largest_miss);
}

/// Says whether a pilot finds log delta: `times` is the whole grid.
[[nodiscard]] inline bool has_pilot(const smc_options& options) {
    return !options.log_delta && options.pilot_particles > 0 && options.threshold > 0.0 &&
           options.times.size() > 2;
}

/// The setting of a run: everything that changes its numbers, beside its seed and the parts' own options.
/// options.times is the whole grid; `kernel` says which kind of weights the kernel's transitions carry,
/// and `rejuvenation` how particles are moved, "" for not at all.
[[nodiscard]] inline smc_setting setting_of(const smc_options& options, index_t dimension,
                                            std::string resampler, std::string kernel,
                                            std::string rejuvenation = "") {
    std::string times;
    for (const double t : options.times) {
        if (!times.empty()) times += " ";
        times += digits_of(t);
    }
    smc_setting setting{{"dimension", digits_of(dimension)},
                        {"particles", digits_of(options.particles)},
                        {"steps", digits_of(static_cast<index_t>(options.times.size()) - 1)},
                        {"times", std::move(times)},
                        {"threshold", digits_of(options.threshold)},
                        {"initial_value", digits_of(options.initial_value)},
                        {"value_floor", options.value_floor ? digits_of(*options.value_floor) : "none"},
                        {"log_delta", options.log_delta
                                          ? digits_of(*options.log_delta)
                                          : "by a pilot of " + digits_of(options.pilot_particles)},
                        {"resampler", std::move(resampler)},
                        {"kernel", std::move(kernel)}};
    if (!options.log_delta && options.pilot_share != 1.0)
        setting["pilot_share"] = digits_of(options.pilot_share);
    if (!options.log_delta && options.plain_ratio != 1.0)
        setting["plain_ratio"] = digits_of(options.plain_ratio);
    // Runs saved by version 0.2 do not say it, and have none.
    if (options.least_conditional_ess > 0.0)
        setting["least_conditional_ess"] = digits_of(options.least_conditional_ess);
    if (!rejuvenation.empty()) setting["rejuvenation"] = std::move(rejuvenation);
    return setting;
}

/// The words of `text` around the first place at which it differs from `other`, or all of a short text.
[[nodiscard]] inline std::string where_it_differs(const std::string& text, const std::string& other) {
    constexpr std::size_t most = 80; // as much as a sentence bears
    if (text.size() <= most) return text;
    const auto mismatch = std::mismatch(text.begin(), text.end(), other.begin(), other.end()).first;
    const auto same = static_cast<std::size_t>(mismatch - text.begin());
    const auto space = same == 0 ? std::string::npos : text.rfind(' ', same - 1);
    const auto begin = space == std::string::npos ? std::size_t{0} : space + 1;
    return (begin > 0 ? "... " : "") + text.substr(begin, most) + (begin + most < text.size() ? " ..." : "");
}
/// Refuses a state or a snapshot, as `what` says, whose setting differs from the sampler's.
/// @throws std::invalid_argument with both values of the first name that differs.
inline void require_setting(const char* what, const smc_setting& its, const smc_setting& here) {
    if (its == here) return;
    const std::string subject = std::string("this ") + what;
    require(!its.empty(), [&] {
        return subject +
               " does not say what run it belongs to: it was moved from, or is none that a run has given";
    });
    for (const auto& [name, value] : here) {
        const auto found = its.find(name);
        if (found == its.end())
            throw std::invalid_argument(subject + " does not say " + name + ", which is " +
                                        where_it_differs(value, "") + " here");
        if (found->second != value)
            throw std::invalid_argument(subject + " belongs to another run: its " + name + " is " +
                                        where_it_differs(found->second, value) + ", this sampler's " +
                                        where_it_differs(value, found->second));
    }
    for (const auto& [name, value] : its)
        if (!here.contains(name))
            throw std::invalid_argument(subject + " says " + name + ", " + where_it_differs(value, "") +
                                        ", of which this sampler knows nothing");
}

} // namespace detail

} // namespace diamond
