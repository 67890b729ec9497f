/// Correlations of a transition, rho between the noises of x_t and x_t', and the coefficients of the GLASS
/// kernel that they give. [GF], (eq. glass-coefficients).
#pragma once

#include <cmath>
#include <concepts>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond {

/// The correlation rho = alpha(t) sigma(t') / (sigma(t) alpha(t')) for t = span.from and t' = span.to: the
/// transition of DDPM.
struct ddpm_correlation {
    /// Returns rho for the transition from span.from to span.to under a noise schedule.
    template <class Schedule>
    [[nodiscard]] double operator()(const Schedule& schedule, interval span) const {
        const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
        return from.alpha * to.sigma / (from.sigma * to.alpha);
    }
    /// 1 - rho, accurate relative to itself however close the times are.
    template <class Schedule>
    [[nodiscard]] double rest(const Schedule& schedule, interval span) const {
        return cross(schedule, span) /
               (level_at(schedule, span.from).sigma * level_at(schedule, span.to).alpha);
    }
};

/// One correlation rho for every transition: 0 draws new noise, 1 keeps all noise (DDIM).
class constant_correlation {
public:
    /// @throws std::invalid_argument unless -1 <= rho <= 1.
    explicit constant_correlation(double rho) : rho_(rho) {
        require(rho >= -1.0 && rho <= 1.0,
                [&] { return "a correlation of " + digits_of(rho) + ": it must lie in [-1, 1]"; });
    }
    /// Returns the constructor's rho, whatever the schedule and the times are.
    template <class Schedule>
    [[nodiscard]] double operator()(const Schedule&, interval) const {
        return rho_;
    }

private:
    double rho_;
};

namespace detail {
template <class C, class Schedule>
concept correlates = std::copy_constructible<C> &&
                     requires(const C& rho, const Schedule& schedule, interval span) {
                         { rho(schedule, span) } -> std::convertible_to<double>;
                     };
/// 1 - rho, by the correlation's rest(schedule, span) where rho is near 1 and the correlation has it.
template <class C, class Schedule>
[[nodiscard]] double rest_of(const C& correlation, const Schedule& schedule, interval span, double rho) {
    if constexpr (requires { correlation.rest(schedule, span); })
        if (1.0 - rho < close) return correlation.rest(schedule, span);
    return 1.0 - rho;
}
} // namespace detail

/// The ladder of a correlation, which has one rung. A correlation that comes near 1 may also have
/// double rest(const Schedule&, interval) const, 1 - rho accurate relative to itself.
template <class C, class Schedule>
consteval bool diagnose_correlation() {
    static_assert(detail::correlates<C, Schedule>,
                  "a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]: "
                  "ddpm_correlation and constant_correlation have it");
    return true;
}

/// The coefficients of the kernel x_t' = abar z + gamma x_t + sbar eps', z ~ p_{1|t}(. | x_t) and eps' ~ N(0,
/// I).
struct kernel_coefficients {
    double gamma, abar, sbar; ///< The factors of x_t, of z and of the noise.
};

/// Computes gamma = rho sigma(t')/sigma(t), abar = alpha(t') - gamma alpha(t) and sbar = sigma(t') sqrt(1 -
/// rho^2) for t = span.from and t' = span.to, each accurate relative to itself however close the times are.
/// @throws std::invalid_argument unless 0 <= t < t' <= 1, and where rho is outside [-1, 1].
template <class Schedule, class Correlation>
[[nodiscard]] kernel_coefficients kernel_at(const Schedule& schedule, interval span,
                                            const Correlation& correlation) {
    require_transition(span);
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    const double rho = correlation(schedule, span), rest = detail::rest_of(correlation, schedule, span, rho);
    require(rest >= 0.0 && rest <= 2.0, [&] {
        return "a correlation of " + digits_of(rho) + " from t = " + digits_of(span.from) + " to " +
               digits_of(span.to) + ": it must lie in [-1, 1]";
    });
    const double gamma = rho * to.sigma / from.sigma;
    // Where rho is near 1, alpha(t') - gamma alpha(t) would cancel; alpha(t') sigma(t) - rho alpha(t)
    // sigma(t') is cross + (1 - rho) alpha(t) sigma(t').
    const double abar = rest < detail::close
                          ? (cross(schedule, span) + rest * from.alpha * to.sigma) / from.sigma
                          : to.alpha - gamma * from.alpha;
    return {gamma, abar, to.sigma * std::sqrt(rest * (1.0 + rho))};
}

/// The coefficients of the kernel to t' = 1, which is the posterior: x_1 = z whatever rho is.
inline constexpr kernel_coefficients posterior_kernel_coefficients{0.0, 1.0, 0.0};

} // namespace diamond
