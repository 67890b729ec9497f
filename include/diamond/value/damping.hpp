/// Damping of guidance where a reward is concave, and few draws or none know how far its pull has gone.
/// (eq. damped-guidance).
#pragma once

#include <cmath>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/row.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// Guidance as the gradients of the draws say.
struct no_damping {};

/// Damping for a reward of curvature q in the coordinates that it pulls, as r(z) = -q |z - y|^2/2 or a
/// gaussian_measurement_reward of some coordinates with q = 1/s^2, on data of variance v about what is known:
/// with the posterior variance c = v sigma^2/(sigma^2 + alpha^2 v) and h = c q/(1 + c q) the gradient of draw
/// i counts
///
///   p_i (1 - h p_i), or p_i (1 - h (p_i - p_i')) beside the other draw i' of a pair,
///
/// in place of p_i, its normalised weight. By one draw, or by the denoised state, whose p is 1, that is 1/(1
/// + c q) times it; by many draws it is hardly less. Its mean is b grad V itself, by any number of draws,
/// where z given x_t is N(D, c I). Source: (eq. damped-guidance); for one draw arXiv 2606.02884.
struct curvature_damping {
    double curvature;      ///< q, at least 0
    double variance = 1.0; ///< v > 0, the variance of a coordinate of the data, or of one of its parts

    /// Returns h = c q/(1 + c q) at a noise level.
    [[nodiscard]] double share(noise_level level) const {
        const double pull = posterior_variance(level, variance) * curvature;
        return pull / (1.0 + pull);
    }
};

namespace detail {
/// @throws std::invalid_argument where numbers of the damping are out of range.
inline void require_damping(const no_damping&) {}
inline void require_damping(const curvature_damping& damping) {
    require(damping.curvature >= 0.0 && std::isfinite(damping.curvature), [&] {
        return "curvature_damping: the curvature is " + digits_of(damping.curvature) +
               ": that of -q |z - y|^2/2 is needed, a number that is not negative";
    });
    require(damping.variance > 0.0 && std::isfinite(damping.variance), [&] {
        return "curvature_damping: the variance of a coordinate of the data is " +
               digits_of(damping.variance) + ": it must be positive and finite";
    });
}

/// Writes what the gradient of draw m counts, from the normalised weights.
template <class Context>
struct damped_weight {
    row_view<const double, Context> weight;
    double share; ///< h
    bool pairs;
    row_view<double, Context> out;
    DIAMOND_HD void operator()(index_t m) const {
        const double partner = pairs ? weight[m % 2 == 0 ? m + 1 : m - 1] : 0.0;
        out[m] = weight[m] * (1.0 - share * (weight[m] - partner));
    }
};
} // namespace detail

} // namespace diamond
