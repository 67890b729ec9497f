/// The sufficient statistic of (x_t, xbar_s): the pair is one Gaussian observation of z, which says at which
/// time and state the network is evaluated. [GF], (eq. statistic-time) and (eq. statistic-point), the form
/// that is finite everywhere.
#pragma once

#include <cmath>

#include <diamond/glass/correlation.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// The coefficients of the inner flow xbar_s = abar_s z + gamma x_t + sbar_s eps', and their derivatives with
/// respect to s.
struct inner_level {
    double abar, sbar, d_abar, d_sbar; ///< abar_s and sbar_s, and their derivatives in s.
};

/// Computes abar_s = a(s) abar and sbar_s = b(s) + (1 - b(s)) sbar for an inner schedule (a, b) and s in [0,
/// 1]; for the linear one they are s abar and (1 - s) + s sbar.
template <class InnerSchedule>
[[nodiscard]] DIAMOND_HD inner_level inner_level_at(const InnerSchedule& inner, double s,
                                                    const kernel_coefficients& kernel) {
    const noise_level level = level_at(inner, s);
    return {.abar = level.alpha * kernel.abar,
            .sbar = level.sigma + (1.0 - level.sigma) * kernel.sbar,
            .d_abar = inner.d_alpha(s) * kernel.abar,
            .d_sbar = inner.d_sigma(s) * (1.0 - kernel.sbar)};
}

/// The time t* of the network, `time`, at which snr(t*) = snr(t) + abar_s^2/sbar_s^2, and its input
/// x* = from_outer x_t + from_inner y with y = xbar_s - gamma x_t:
///
///   h^2 = alpha^2 sbar_s^2 + abar_s^2 sigma^2,   t* = time_at(h, sigma sbar_s),
///   x* = (alpha sbar_s^2 x_t + abar_s sigma^2 y)/h . hypot(alpha(t*), sigma(t*))/hypot(h, sigma sbar_s).
struct sufficient_statistic {
    instant time;                     ///< The time t* in [0, 1] at which the network is evaluated.
    double from_outer, from_inner, h; ///< The weights of x_t and of y in the network's input, and h.
};

/// Computes t* and x* from the noise level of x_t and the coefficients of the inner flow.
template <class Schedule>
[[nodiscard]] DIAMOND_HD sufficient_statistic sufficient_statistic_at(const Schedule& schedule,
                                                                      const noise_level& outer,
                                                                      const inner_level& inner) {
    const double noise = outer.sigma * inner.sbar;
    const double h = std::hypot(outer.alpha * inner.sbar, inner.abar * outer.sigma);
    // At t = s = 0 the input is pure noise, and at t = s = 1 it is the sample; both are y.
    if (h == 0.0)
        return {.time = instant(noise == 0.0 ? 1.0 : 0.0), .from_outer = 0.0, .from_inner = 1.0, .h = 0.0};
    const instant time = time_at(schedule, h, noise);
    const noise_level level = level_at(schedule, time);
    const double scale = std::hypot(level.alpha, level.sigma) / (std::hypot(h, noise) * h);
    return {.time = time,
            .from_outer = scale * outer.alpha * square(inner.sbar),
            .from_inner = scale * inner.abar * square(outer.sigma),
            .h = h};
}

} // namespace diamond
