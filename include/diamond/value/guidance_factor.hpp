/// Factors by which estimators turn what they have into the guidance b(t) grad V, finite at t = 0. See
/// (eq. guidance-mean-shift) to (eq. guidance-at-data).
#pragma once

#include <cmath>

#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// The factor alpha' - alpha sigma'/sigma in b grad V = factor (D^r - D), for t in [0, 1): it is finite at t
/// = 0, where it is alpha'(0).
template <class Schedule>
[[nodiscard]] DIAMOND_HD double mean_shift_factor(const Schedule& schedule, instant t) {
    if (t.t <= 0.0) return schedule.d_alpha(0.0);
    return d_alpha_at(schedule, t) - alpha_at(schedule, t) * d_sigma_at(schedule, t) / sigma_at(schedule, t);
}

/// The factor b(t) alpha/hypot(alpha, sigma), for t in [0, 1]: it is finite everywhere, alpha'(0) at t = 0
/// and b(1) at t = 1.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double signal_guidance_factor(const Schedule& schedule, instant t) {
    const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
    return (square(sigma) * d_alpha_at(schedule, t) - sigma_d_sigma(schedule, t) * alpha) /
           std::hypot(alpha, sigma);
}

/// The factor b(1) of grad r at t = 1: 0 for linear and trigonometric schedules, alpha'(1) for variance
/// preserving and cosine ones.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double final_guidance_factor(const Schedule& schedule) {
    return -sigma_d_sigma(schedule, 1.0);
}

} // namespace diamond
