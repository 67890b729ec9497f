/// Factors by which estimators turn what they have into the guidance b(t) grad V, finite at t = 0. See
/// (eq. guidance-mean-shift) to (eq. guidance-at-data).
#pragma once

#include <cmath>
#include <type_traits>

#include <diamond/core/expression.hpp>
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

namespace detail {
/// Writes the guidance b(1) grad r at t = 1 by a reward_caller. @throws std::invalid_argument for a reward
/// without a gradient where b(1) is not 0.
template <class Schedule, class Caller, class View, class Condition>
void write_final_guidance(
    const Schedule& schedule, Caller& reward, View x, const Condition& condition, index_t step,
    batch_view<std::remove_const_t<typename View::value_type>, typename View::context_type> out) {
    const double b = final_guidance_factor(schedule);
    if constexpr (requires { reward.gradient(x, condition, step, out); }) {
        if (b != 0.0) {
            reward.gradient(x, condition, step, out);
            assign(out, b * out);
            return;
        }
    }
    require(b == 0.0,
            "guidance at t = 1 with this schedule is b(1) grad r: the reward needs gradient(z, out)");
    diamond::set_to_zero(out);
}
} // namespace detail

} // namespace diamond
