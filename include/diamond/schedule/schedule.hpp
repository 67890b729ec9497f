/// What every schedule knows beyond its coefficients: time_at, signal-to-noise ratio, the guidance factor b(t), and the products
/// that stay finite at the ends. Section 1 of the mathematics.
#pragma once

#include <cmath>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/schedule.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// alpha and sigma as kernels and posteriors read them: time 0 is pure noise by definition, even where alpha(0) > 0.
struct noise_level {
    double alpha, sigma;

    /// snr = alpha^2 / sigma^2, infinite at t = 1.
    [[nodiscard]] DIAMOND_HD double snr() const { return square(alpha) / square(sigma); }
};
template <class Schedule>
[[nodiscard]] DIAMOND_HD noise_level level_at(const Schedule& schedule, double t) {
    if (t <= 0.0) return {0.0, 1.0};
    if (t >= 1.0) return {1.0, 0.0};
    return {schedule.alpha(t), schedule.sigma(t)};
}

/// sigma sigma', finite at t = 1 even where sigma' is not.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double sigma_d_sigma(const Schedule& schedule, double t) {
    if constexpr (requires { schedule.sigma_d_sigma(t); })
        return schedule.sigma_d_sigma(t);
    else
        return schedule.sigma(t) * schedule.d_sigma(t);
}

/// b(t) = sigma^2 alpha'/alpha - sigma' sigma: the factor of grad V in the tilted velocity. Infinite at t = 0 where alpha(0) = 0.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double guidance_factor(const Schedule& schedule, double t) {
    return square(schedule.sigma(t)) * schedule.d_alpha(t) / schedule.alpha(t) - sigma_d_sigma(schedule, t);
}

namespace detail {
/// log(a/s), also where the quotient over- or underflows.
DIAMOND_HD inline double log_ratio(double a, double s) {
    const double ratio = a / s;
    return ratio >= least_normal && ratio < infinity ? std::log(ratio) : std::log(a) - std::log(s);
}
} // namespace detail

/// The time in [0, 1] at which alpha/sigma = a/s, a, s >= 0 not both 0; ratios below the schedule's range give 0, above it 1.
///
/// Uses the schedule's own time_at if it has one; else Newton's method on log(alpha/sigma), guarded by bisection, to the last bits of t.
template <class Schedule>
[[nodiscard]] DIAMOND_HD double time_at(const Schedule& schedule, double a, double s) {
    if (a <= 0.0) return 0.0;
    if (s <= 0.0) return 1.0;
    if constexpr (requires { schedule.time_at(a, s); }) {
        return schedule.time_at(a, s);
    } else {
        constexpr int most_steps   = 100;   // bisection alone needs 53 between 1/2 and 1
        constexpr double most_move = 700.0; // whose exponential is finite
        const double wanted        = detail::log_ratio(a, s);
        const double rounding      = 0x1p-52 * (2.0 + std::abs(wanted)); // of the logarithms
        if (detail::log_ratio(schedule.alpha(0.0), schedule.sigma(0.0)) >= wanted) return 0.0;
        if (detail::log_ratio(schedule.alpha(1.0), schedule.sigma(1.0)) <= wanted) return 1.0;
        double low = 0.0, high = 1.0, t = 0.5;
        for (int step = 0; step < most_steps && low < t && t < high; ++step) {
            const double alpha = schedule.alpha(t), sigma = schedule.sigma(t);
            const double excess = detail::log_ratio(alpha, sigma) - wanted;
            if (std::abs(excess) <= rounding) return t;
            (excess > 0.0 ? high : low) = t;
            // Newton's step in log(t/(1 - t)), on which log(alpha/sigma) depends almost linearly: exactly so for the linear schedule.
            const double slope = (schedule.d_alpha(t) / alpha - schedule.d_sigma(t) / sigma) * t * (1.0 - t);
            const double move  = excess / slope;
            t                  = t / (t + (1.0 - t) * std::exp(move < most_move ? move : most_move));
            if (!(low < t && t < high)) t = 0.5 * (low + high);
        }
        return t;
    }
}

namespace detail {
/// Of two things that have schedule().
template <class A, class B>
inline constexpr bool same_schedule = std::is_same_v<std::remove_cvref_t<decltype(std::declval<const A&>().schedule())>, std::remove_cvref_t<decltype(std::declval<const B&>().schedule())>>;
} // namespace detail

/// 0 = t_0 < ... < t_K = 1, checked. @throws std::invalid_argument naming the first pair out of order.
template <class Times>
void require_time_grid(const Times& grid) {
    require(grid.size() >= 2, "a time grid needs at least the two times 0 and 1");
    require(grid.front() == 0.0 && grid.back() == 1.0, [&] {
        return "a time grid runs from 0 to 1, not from " + digits_of(grid.front()) + " to " + digits_of(grid.back());
    });
    for (std::size_t k = 1; k < grid.size(); ++k)
        require(grid[k] > grid[k - 1], [&] {
            return "a time grid must increase: t_" + digits_of(k - 1) + " = " + digits_of(grid[k - 1]) + ", t_" +
                   digits_of(k) + " = " + digits_of(grid[k]);
        });
}

} // namespace diamond
