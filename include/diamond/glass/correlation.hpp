/// Which noise a transition keeps: the correlation rho of the noises of x_t and x_t', and the kernel's coefficients. Section 4.
#pragma once

#include <cmath>
#include <concepts>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// rho = alpha(t) sigma(t') / (sigma(t) alpha(t')): the transition of DDPM.
struct ddpm_correlation {
    template <class Schedule>
    [[nodiscard]] double operator()(const Schedule& schedule, interval span) const {
        const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
        return from.alpha * to.sigma / (from.sigma * to.alpha);
    }
};

/// The same rho for every transition: 0 renoises, 1 keeps all noise (DDIM). @throws std::invalid_argument unless -1 <= rho <= 1.
class constant_correlation {
public:
    explicit constant_correlation(double rho) : rho_(rho) {
        require(rho >= -1.0 && rho <= 1.0, [&] { return "a correlation of " + digits_of(rho) + ": it must lie in [-1, 1]"; });
    }
    template <class Schedule>
    [[nodiscard]] double operator()(const Schedule&, interval) const {
        return rho_;
    }

private:
    double rho_;
};

namespace detail {
template <class C, class Schedule>
concept correlates = std::copy_constructible<C> && requires(const C& rho, const Schedule& schedule, interval span) {
    { rho(schedule, span) } -> std::convertible_to<double>;
};
} // namespace detail

/// The ladder, of one rung.
template <class C, class Schedule>
consteval bool diagnose_correlation() {
    static_assert(detail::correlates<C, Schedule>,
                  "a correlation needs double operator()(const Schedule&, interval) const, rho in [-1, 1]: ddpm_correlation and constant_correlation have it");
    return true;
}

/// x_t' = abar z + gamma x_t + sbar eps'.
struct kernel_coefficients {
    double gamma, abar, sbar;
};

/// gamma = rho sigma(t')/sigma(t), abar = alpha(t') - gamma alpha(t), sbar = sigma(t') sqrt(1 - rho^2).
/// @throws std::invalid_argument unless 0 <= t < t' <= 1.
template <class Schedule, class Correlation>
[[nodiscard]] kernel_coefficients kernel_at(const Schedule& schedule, interval span, const Correlation& correlation) {
    require(span.from >= 0.0 && span.from < span.to && span.to <= 1.0, [&] {
        return "a transition from t = " + digits_of(span.from) + " to " + digits_of(span.to) + ": 0 <= t < t' <= 1 is needed";
    });
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    const double      rho   = correlation(schedule, span);
    const double      gamma = rho * to.sigma / from.sigma;
    return {gamma, to.alpha - gamma * from.alpha, to.sigma * std::sqrt((1.0 - rho) * (1.0 + rho))};
}

/// The kernel of the posterior itself, t' = 1: whatever rho is, x_1 = z.
inline constexpr kernel_coefficients posterior_kernel_coefficients{0.0, 1.0, 0.0};

} // namespace diamond
