/// What a run of sequential Monte Carlo is asked for, and the setting that its states and snapshots belong to.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/run.hpp>
#include <diamond/align/smc_trust.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

struct smc_options {
    index_t               particles = 1024;
    index_t               steps     = 16;
    std::vector<double>   times     = {};  ///< 0 = t_0 < ... < t_K = 1; `steps` equal ones where empty
    double                threshold = 0.5; ///< resample when ESS < threshold N; 0 never, above 1 always
    double                initial_value   = 0.0; ///< V_0, where log Z starts: any number up to 2^30; x_0 carries nothing
    std::optional<double> value_floor     = {};  ///< V_k >= floor for k < K; default: delta, and without it 1000 nats below the best of the step
    std::optional<double> log_delta       = {};  ///< V_k = logaddexp(estimate, log delta) for k < K, fixed beforehand; -infinity: none
    index_t               pilot_particles = 512; ///< where log_delta is not given, so many draws without reward, and never more than `particles`, estimate log Z for it; 0: none
    bool                  record_ancestors = false; ///< keeps 4 bytes a particle for each resampling, taken when it happens
    smc_trust             trust = {};
};

/// What a run is, name by name, as text with all digits. States and snapshots carry that of the sampler that made them, and another one refuses them.
using smc_setting = std::map<std::string, std::string>;

namespace detail {

/// V_0, floor and delta are added to values of any size: up to here a sum keeps 2.4e-7 of a nat, at 1e20 none at all.
inline constexpr double largest_shift = 0x1p30;

inline void require_shift(const char* name, double shift) {
    require(std::fabs(shift) <= largest_shift, [&] { // false for NaN
        return std::string(name) + " is " + digits_of(shift) + ": it is added to values, whose digits a number beyond +-" + digits_of(largest_shift) + " would swallow";
    });
}
inline void require_trust(const char* name, double number) {
    require(number >= 0.0, [&] { return std::string("trust.") + name + " is " + digits_of(number) + ": it must be a number that is not negative"; });
}

/// @throws std::invalid_argument naming the option that is out of its range, with its number.
inline void require_options(const smc_options& options) {
    require_particles("SMC", options.particles);
    require(options.threshold >= 0.0, [&] { return "the threshold is " + digits_of(options.threshold) + ": it must be a number that is not negative; 0 never resamples, above 1 always does"; });
    require_shift("initial_value, V_0,", options.initial_value);
    if (options.value_floor) require_shift("value_floor, the floor of values,", *options.value_floor);
    if (options.log_delta && *options.log_delta != -infinity) require_shift("log_delta, which is -infinity for none,", *options.log_delta);
    require(options.pilot_particles >= 0 && options.pilot_particles <= most_particles,
            [&] { return "a pilot of " + digits_of(options.pilot_particles) + " particles: at least 0, for none, and at most 2^31 - 1 are needed"; });
    require_trust("least_ess_share", options.trust.least_ess_share);
    require_trust("largest_share", options.trust.largest_share);
    require_trust("largest_floored", options.trust.largest_floored);
    require_trust("largest_range", options.trust.largest_range);
    require_trust("least_correction_share", options.trust.least_correction_share);
    require_trust("largest_miss", options.trust.largest_miss);
}

/// All that changes the numbers of a run, beside its seed and its parts' own; options.times is its whole grid.
[[nodiscard]] inline smc_setting setting_of(const smc_options& options, index_t dimension, std::string resampler, bool weighted) {
    std::string times;
    for (const double t : options.times) {
        if (!times.empty()) times += " ";
        times += digits_of(t);
    }
    return {{"dimension", digits_of(dimension)},
            {"particles", digits_of(options.particles)},
            {"steps", digits_of(static_cast<index_t>(options.times.size()) - 1)},
            {"times", std::move(times)},
            {"threshold", digits_of(options.threshold)},
            {"initial_value", digits_of(options.initial_value)},
            {"value_floor", options.value_floor ? digits_of(*options.value_floor) : "none"},
            {"log_delta", options.log_delta ? digits_of(*options.log_delta) : "by a pilot of " + digits_of(options.pilot_particles)},
            {"resampler", std::move(resampler)},
            {"kernel", weighted ? "with weights" : "without weights"}};
}

/// Of a long text that differs from `other`, the words around the place.
[[nodiscard]] inline std::string where_it_differs(const std::string& text, const std::string& other) {
    constexpr std::size_t most = 80; // as much as a sentence bears
    if (text.size() <= most) return text;
    const auto same  = static_cast<std::size_t>(std::mismatch(text.begin(), text.end(), other.begin(), other.end()).first - text.begin());
    const auto space = same == 0 ? std::string::npos : text.rfind(' ', same - 1);
    const auto begin = space == std::string::npos ? std::size_t{0} : space + 1;
    return (begin > 0 ? "... " : "") + text.substr(begin, most) + (begin + most < text.size() ? " ..." : "");
}
/// @throws std::invalid_argument with both values of the first thing that differs; `what` is a state or a snapshot.
inline void require_setting(const char* what, const smc_setting& its, const smc_setting& here) {
    if (its == here) return;
    require(!its.empty(), [&] { return std::string("this ") + what + " does not say what run it belongs to: it was moved from, or is none that a run has given"; });
    for (const auto& [name, value] : here) {
        const auto found = its.find(name);
        require(found != its.end(), [&] { return std::string("this ") + what + " does not say " + name + ", which is " + where_it_differs(value, "") + " here"; });
        require(found->second == value, [&] {
            return std::string("this ") + what + " belongs to another run: its " + name + " is " + where_it_differs(found->second, value) + ", this sampler's " +
                   where_it_differs(value, found->second);
        });
    }
    for (const auto& [name, value] : its)
        require(here.contains(name), [&] { return std::string("this ") + what + " says " + name + ", " + where_it_differs(value, "") + ", of which this sampler knows nothing"; });
}

} // namespace detail

} // namespace diamond
