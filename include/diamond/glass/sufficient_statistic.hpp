/// The pair (x_t, xbar_s) is one Gaussian observation of z: where the network has to be read. Section 4, the form that is finite everywhere.
#pragma once

#include <cmath>

#include <diamond/glass/correlation.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// xbar_s = abar_s z + gamma x_t + sbar_s eps' along the inner flow, and the derivatives in s.
struct inner_level {
    double abar, sbar, d_abar, d_sbar;
};

/// abar_s = a(s) abar and sbar_s = b(s) + (1 - b(s)) sbar for an inner schedule (a, b); linear: s abar and (1 - s) + s sbar.
template <class InnerSchedule>
[[nodiscard]] DIAMOND_HD inner_level inner_level_at(const InnerSchedule& inner, double s, const kernel_coefficients& kernel) {
    const noise_level level = level_at(inner, s);
    return {level.alpha * kernel.abar, level.sigma + (1.0 - level.sigma) * kernel.sbar, inner.d_alpha(s) * kernel.abar,
            inner.d_sigma(s) * (1.0 - kernel.sbar)};
}

/// The network's time t*, where snr(t*) = snr(t) + abar_s^2/sbar_s^2, and its input x* = from_outer x_t + from_inner y, y = xbar_s - gamma x_t.
///
///   h^2 = alpha^2 sbar_s^2 + abar_s^2 sigma^2,   t* = time_at(h, sigma sbar_s),
///   x* = (alpha sbar_s^2 x_t + abar_s sigma^2 y)/h . hypot(alpha(t*), sigma(t*))/hypot(h, sigma sbar_s).
struct sufficient_statistic {
    instant time;
    double  from_outer, from_inner, h;
};

template <class Schedule>
[[nodiscard]] DIAMOND_HD sufficient_statistic sufficient_statistic_at(const Schedule& schedule, const noise_level& outer, const inner_level& inner) {
    const double noise = outer.sigma * inner.sbar;
    const double h     = std::hypot(outer.alpha * inner.sbar, inner.abar * outer.sigma);
    if (h == 0.0) return {instant(noise == 0.0 ? 1.0 : 0.0), 0.0, 1.0, 0.0}; // t = s = 0: pure noise, read as it is; t = s = 1: the sample
    const instant     time  = time_at(schedule, h, noise);
    const noise_level level = level_at(schedule, time);
    const double      scale = std::hypot(level.alpha, level.sigma) / (std::hypot(h, noise) * h);
    return {time, scale * outer.alpha * square(inner.sbar), scale * inner.abar * square(outer.sigma), h};
}

} // namespace diamond
