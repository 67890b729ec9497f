/// Functions of a noise schedule beyond its coefficients: the signal-to-noise ratio and the time at which it
/// has a value, the guidance factor b(t), and products that stay finite at the ends. See (eq. noised-state)
/// to (eq. noise-level).
#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/schedule.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The coefficients alpha and sigma of x_t = alpha z + sigma eps, as kernels and posteriors read them: time 0
/// is pure noise by definition, even where alpha(0) > 0.
struct noise_level {
    double alpha, sigma; ///< The factor of the data and that of the noise.

    /// The signal-to-noise ratio alpha^2 / sigma^2, infinite at t = 1.
    [[nodiscard]] DIAMOND_HD double snr() const { return square(alpha) / square(sigma); }
};

namespace detail {
/// An argument that converts to an instant, and to no double.
struct only_an_instant {
    operator instant() const;
};
template <auto Function, class S>
inline constexpr bool takes_instant = std::is_invocable_v<decltype(Function), const S&, only_an_instant>;
/// A schedule whose functions take an instant and not a double. Overloaded and generic functions do not tell,
/// and are given a double.
template <class S>
concept reads_instants =
    requires {
        &S::alpha;
        &S::sigma;
        &S::d_alpha;
        &S::d_sigma;
    } && takes_instant<&S::alpha, S> && takes_instant<&S::sigma, S> && takes_instant<&S::d_alpha, S> &&
    takes_instant<&S::d_sigma, S>;

/// The rounding error of t: the time less t. It is 0 below 1/2, where t itself has all digits.
DIAMOND_HD inline double lateness(instant t) { return t.t < 0.5 ? 0.0 : (1.0 - t.t) - t.rest; }
} // namespace detail

namespace detail {
/// The product sigma sigma' at a double t. For a schedule that does not give the product, and has no finite
/// one at t = 1, it is that of the double before 1.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double product_near(const Schedule& schedule, double t) {
    constexpr double last = 1.0 - 0x1p-53;
    if constexpr (requires { schedule.sigma_d_sigma(t); })
        return schedule.sigma_d_sigma(t);
    else
        return t <= last ? schedule.sigma(t) * schedule.d_sigma(t)
                         : schedule.sigma(last) * schedule.d_sigma(last);
}
} // namespace detail

/// alpha at an instant, to all digits. On a schedule of doubles it is the value at the double and the
/// first-order term in that double's rounding error.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double alpha_at(const Schedule& schedule, instant t) {
    if constexpr (detail::reads_instants<Schedule>) {
        return schedule.alpha(t);
    } else {
        const double late = detail::lateness(t), alpha = schedule.alpha(t.t);
        return late == 0.0 ? alpha : alpha + schedule.d_alpha(t.t) * late;
    }
}
/// sigma at an instant, to all digits, as alpha_at. Where sigma'(1) is infinite the first-order term is that
/// of sigma^2, which is smooth there.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double sigma_at(const Schedule& schedule, instant t) {
    if constexpr (detail::reads_instants<Schedule>) {
        return schedule.sigma(t);
    } else {
        const double late = detail::lateness(t);
        if (late == 0.0) return schedule.sigma(t.t);
        const double sigma = t.t >= 1.0 ? 0.0 : schedule.sigma(t.t);
        return std::isfinite(schedule.d_sigma(1.0))
                 ? sigma + schedule.d_sigma(t.t) * late
                 : std::sqrt(square(sigma) + 2.0 * detail::product_near(schedule, t.t) * late);
    }
}
/// The derivative alpha' at an instant.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double d_alpha_at(const Schedule& schedule, instant t) {
    if constexpr (detail::reads_instants<Schedule>)
        return schedule.d_alpha(t);
    else
        return schedule.d_alpha(t.t);
}
/// The derivative sigma' at an instant; sigma'(1) may be -inf.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double d_sigma_at(const Schedule& schedule, instant t) {
    if constexpr (detail::reads_instants<Schedule>) {
        return schedule.d_sigma(t);
    } else {
        if (detail::lateness(t) == 0.0 || std::isfinite(schedule.d_sigma(1.0))) return schedule.d_sigma(t.t);
        return detail::product_near(schedule, t.t) / sigma_at(schedule, t);
    }
}

/// The product sigma sigma', finite at t = 1 even where sigma' is not.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double sigma_d_sigma(const Schedule& schedule, instant t) {
    if constexpr (!detail::reads_instants<Schedule>)
        if (detail::lateness(t) != 0.0)
            return std::isfinite(schedule.d_sigma(1.0)) ? sigma_at(schedule, t) * schedule.d_sigma(t.t)
                                                        : detail::product_near(schedule, t.t);
    if constexpr (requires { schedule.sigma_d_sigma(t); })
        return schedule.sigma_d_sigma(t);
    else
        return sigma_at(schedule, t) * d_sigma_at(schedule, t);
}

/// The noise level at an instant in [0, 1]: (0, 1) at t = 0 and (1, 0) at t = 1, exactly.
template <class Schedule>
[[nodiscard]] DIAMOND_HD noise_level level_at(const Schedule& schedule, instant t) {
    if (t.t <= 0.0) return {0.0, 1.0};
    if (t.rest <= 0.0) return {1.0, 0.0};
    return {alpha_at(schedule, t), sigma_at(schedule, t)};
}

/// The variance v sigma^2/(sigma^2 + alpha^2 v) of a coordinate given x_t, where the data have variance v
/// (eq. denoised-moments).
[[nodiscard]] DIAMOND_HD inline double posterior_variance(noise_level level, double v) {
    const double left = square(level.sigma);
    return v * left / (left + square(level.alpha) * v);
}

/// The guidance factor b(t) = sigma^2 alpha'/alpha - sigma' sigma, by which grad V enters the tilted
/// velocity. It is infinite at t = 0 where alpha(0) = 0.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double guidance_factor(const Schedule& schedule, instant t) {
    return square(sigma_at(schedule, t)) * d_alpha_at(schedule, t) / alpha_at(schedule, t) -
           sigma_d_sigma(schedule, t);
}

namespace detail {
/// log(a/s), finite also where the quotient overflows or underflows.
DIAMOND_HD inline double log_ratio(double a, double s) {
    const double ratio = a / s;
    return ratio >= least_normal && ratio < infinity ? std::log(ratio) : std::log(a) - std::log(s);
}
/// True where a is before b, told by t or, from 1/2 on, by the rest, which has the digits there.
DIAMOND_HD inline bool before(instant a, instant b) {
    return a.t < 0.5 || b.t < 0.5 ? a.t < b.t : a.rest > b.rest;
}

/// The time at which alpha/sigma = a/s, to the last bits of t and of 1 - t, by Newton's method on
/// log(alpha/sigma) from t, guarded by bisection.
template <class Schedule>
[[nodiscard]] DIAMOND_HD instant search_time(const Schedule& schedule, double a, double s, instant t) {
    constexpr int most_steps = 100;     // bisection alone needs 53 between 1/2 and 1
    constexpr double most_move = 700.0; // its exponential is finite
    const double wanted = log_ratio(a, s);
    const double rounding = 0x1p-52 * (2.0 + std::abs(wanted)); // the error of the logarithms
    if (log_ratio(schedule.alpha(0.0), schedule.sigma(0.0)) >= wanted) return {0.0, 1.0};
    if (log_ratio(schedule.alpha(1.0), schedule.sigma(1.0)) <= wanted) return {1.0, 0.0};
    instant low{0.0, 1.0}, high{1.0, 0.0};
    for (int step = 0; step < most_steps && before(low, t) && before(t, high); ++step) {
        const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t);
        const double excess = log_ratio(alpha, sigma) - wanted;
        if (std::abs(excess) <= rounding) return t;
        (excess > 0.0 ? high : low) = t;
        // Newton's step in log(t/(1 - t)), on which log(alpha/sigma) depends almost linearly, and for the
        // linear schedule exactly so.
        const double slope = (d_alpha_at(schedule, t) / alpha - d_sigma_at(schedule, t) / sigma) * t.t *
                             t.rest;
        const double move = excess / slope, left = t.rest * std::exp(move < most_move ? move : most_move);
        const double whole = t.t + left;
        t = {t.t / whole, left / whole};
        if (!(before(low, t) && before(t, high))) t = {0.5 * (low.t + high.t), 0.5 * (low.rest + high.rest)};
    }
    return t;
}
} // namespace detail

/// The time in [0, 1] at which alpha/sigma = a/s, for a, s >= 0 that are not both 0. A ratio below the
/// schedule's range gives 0, one above it 1.
///
/// The schedule's own time_at is used if it has one; where that gives a double, Newton's method from there
/// finds 1 - t to its own digits. Without it Newton's method finds both.
template <class Schedule>
[[nodiscard]] DIAMOND_HD instant time_at(const Schedule& schedule, double a, double s) {
    if (a <= 0.0) return {0.0, 1.0};
    if (s <= 0.0) return {1.0, 0.0};
    if constexpr (requires {
                      { schedule.time_at(a, s) } -> std::same_as<instant>;
                  }) {
        return schedule.time_at(a, s);
    } else if constexpr (requires { schedule.time_at(a, s); }) {
        const double t = schedule.time_at(a, s);
        if (!(t >= 0.5)) return t;
        return detail::search_time(schedule, a, s, t < 1.0 ? instant(t) : instant(1.0, 0x1p-54));
    } else {
        return detail::search_time(schedule, a, s, 0.5);
    }
}

namespace detail {
template <class T>
using schedule_of_t = std::remove_cvref_t<decltype(std::declval<const T&>().schedule())>;
/// False where T names a schedule of another type than Schedule; a field, a map or a kernel need not name
/// one.
template <class T, class Schedule>
inline constexpr bool agrees_with = true;
template <names_schedule T, class Schedule>
inline constexpr bool agrees_with<T, Schedule> = std::is_same_v<schedule_of_t<T>, Schedule>;
} // namespace detail

/// Checks a time grid, 0 = t_0 < ... < t_K = 1 with K >= 1. @throws std::invalid_argument with the ends, or
/// with the first pair that is out of order.
template <class Times>
void require_time_grid(const Times& grid) {
    require(grid.size() >= 2, [&] {
        return "a time grid of " + digits_of(grid.size()) + " times: at least the two, 0 and 1, are needed";
    });
    require(grid.front() == 0.0 && grid.back() == 1.0, [&] {
        return "a time grid runs from 0 to 1, not from " + digits_of(grid.front()) + " to " +
               digits_of(grid.back());
    });
    for (std::size_t k = 1; k < grid.size(); ++k)
        require(grid[k] > grid[k - 1], [&] {
            return "a time grid must increase: t_" + digits_of(k - 1) + " = " + digits_of(grid[k - 1]) +
                   ", t_" + digits_of(k) + " = " + digits_of(grid[k]);
        });
}

} // namespace diamond
