/// Noising from a later time t' back to an earlier time t, x_t = scale x_t' + spread eps, and differences of
/// noise levels that keep their digits where the two times are close. See (eq. noising-step),
/// (eq. schedule-cross).
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

namespace detail {
/// The integral of f over the interval by Gauss's three points, exact to rounding where f varies little.
template <class F>
[[nodiscard]] DIAMOND_HD double integral(const F& f, interval span) {
    constexpr double node = 0.38729833462074168852; // sqrt(3/5)/2
    const double middle = 0.5 * (span.from + span.to), h = span.length();
    return h * (5.0 * f(middle - node * h) + 8.0 * f(middle) + 5.0 * f(middle + node * h)) / 18.0;
}
template <class Schedule>
struct alpha_rate {
    const Schedule& schedule;
    DIAMOND_HD double operator()(double t) const { return schedule.d_alpha(t); }
};
template <class Schedule>
struct sigma_rate {
    const Schedule& schedule;
    DIAMOND_HD double operator()(double t) const { return -schedule.d_sigma(t); }
};
template <class Schedule>
struct variance_rate {
    const Schedule& schedule;
    DIAMOND_HD double operator()(double t) const { return -2.0 * product_near(schedule, t); }
};
/// (alpha(t') - alpha(t)) sigma(t) + alpha(t) (sigma(t) - sigma(t')), each difference as the integral of its
/// derivative.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double cross_by_rates(const Schedule& schedule, interval span, noise_level from,
                                               noise_level to) {
    const double rise = integral(alpha_rate<Schedule>{schedule}, span);
    const double fall = std::isfinite(schedule.d_sigma(1.0))
                          ? integral(sigma_rate<Schedule>{schedule}, span)
                          : integral(variance_rate<Schedule>{schedule}, span) / (from.sigma + to.sigma);
    return rise * from.sigma + from.alpha * fall;
}
/// Two numbers are close where their difference, relative to them, is below this: it has lost more than 8
/// bits, and is computed in another way.
inline constexpr double close = 0x1p-8;
} // namespace detail

/// The cross product alpha(t') sigma(t) - alpha(t) sigma(t') of the noise levels at t = span.from and t' =
/// span.to: the difference of alpha/sigma times sigma(t) sigma(t'). It is positive for t < t', and accurate
/// relative to itself however close the two times are, by the schedule's own cross(interval) if it has one,
/// else by integrals of its derivatives.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double cross(const Schedule& schedule, interval span) {
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    const double forward = to.alpha * from.sigma, backward = from.alpha * to.sigma;
    if (forward - backward > detail::close * forward) return forward - backward;
    if constexpr (requires { schedule.cross(span); })
        return schedule.cross(span);
    else
        return detail::cross_by_rates(schedule, span, from, to);
}
/// The gain (alpha(t') sigma(t))^2 - (alpha(t) sigma(t'))^2 = (snr(t') - snr(t)) (sigma(t) sigma(t'))^2,
/// accurate as cross is.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double snr_gain(const Schedule& schedule, interval span) {
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    return cross(schedule, span) * (to.alpha * from.sigma + from.alpha * to.sigma);
}

/// The coefficients of x_t = scale x_t' + spread eps, eps ~ N(0, I), for t < t': scale = alpha(t)/alpha(t')
/// and spread^2 = sigma(t)^2 - scale^2 sigma(t')^2.
struct noising {
    double scale, spread; ///< The factor of the state and the standard deviation of the noise.
};
/// Computes these coefficients for t = span.from and t' = span.to, 0 <= t < t' <= 1.
template <class Schedule>
[[nodiscard]] DIAMOND_HD noising noising_at(const Schedule& schedule, interval span) {
    const double alpha = level_at(schedule, span.to).alpha;
    return {level_at(schedule, span.from).alpha / alpha, std::sqrt(snr_gain(schedule, span)) / alpha};
}

} // namespace diamond
