/// The variance preserving schedule, DDPM's linear noise rate in continuous time.
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The schedule alpha = exp(-tau^2 (b1 - b0)/4 - tau b0/2), sigma = sqrt(1 - alpha^2), with tau = 1 - t, for
/// t in [0, 1]. With the default rates alpha(0) = 0.0066; kernels take time 0 as pure noise.
struct variance_preserving_schedule {
    double rate_first = 0.1; ///< b0, the noise rate at the data, t = 1
    double rate_last = 20.0; ///< b1, the noise rate at the noise, t = 0

    [[nodiscard]] DIAMOND_HD double alpha(instant t) const { return std::exp(-half_log(t.rest)); }
    [[nodiscard]] DIAMOND_HD double sigma(instant t) const {
        return std::sqrt(-std::expm1(-2.0 * half_log(t.rest)));
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(instant t) const { return 0.5 * rate(t.rest) * alpha(t); }
    [[nodiscard]] DIAMOND_HD double d_sigma(instant t) const { return sigma_d_sigma(t) / sigma(t); }
    /// The product sigma sigma' = -alpha alpha', for sigma^2 = 1 - alpha^2: it is finite at t = 1, where
    /// sigma' is not.
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(instant t) const { return -alpha(t) * d_alpha(t); }
    /// The time at which alpha/sigma = a/s, for a, s > 0; 0 for a ratio below alpha(0)/sigma(0).
    [[nodiscard]] DIAMOND_HD instant time_at(double a, double s) const {
        // -2 log alpha = log1p((s/a)^2), written so that a tiny against s does not overflow.
        const double level = a < s ? 2.0 * std::log(s / a) + std::log1p(square(a / s))
                                   : std::log1p(square(s / a));
        const double tau = 2.0 * level /
                           (rate_first +
                            std::sqrt(square(rate_first) + 2.0 * (rate_last - rate_first) * level));
        return tau < 1.0 ? instant(1.0 - tau, tau) : instant(0.0);
    }
    /// alpha(t') sigma(t) - alpha(t) sigma(t') = (alpha(t')^2 - alpha(t)^2)/(alpha(t') sigma(t) + alpha(t)
    /// sigma(t')), where the numerator comes from the difference of the logarithms.
    [[nodiscard]] DIAMOND_HD double cross(interval span) const {
        const double before = 1.0 - span.from, after = 1.0 - span.to;
        // The growth of 2 log alpha.
        const double growth = span.length() *
                              (0.5 * (before + after) * (rate_last - rate_first) + rate_first);
        return square(alpha(span.from)) * std::expm1(growth) /
               (alpha(span.to) * sigma(span.from) + alpha(span.from) * sigma(span.to));
    }

private:
    [[nodiscard]] DIAMOND_HD double rate(double tau) const {
        return rate_first + tau * (rate_last - rate_first);
    }
    /// Returns -log alpha at tau = 1 - t.
    [[nodiscard]] DIAMOND_HD double half_log(double tau) const {
        return tau * (0.25 * tau * (rate_last - rate_first) + 0.5 * rate_first);
    }
};

} // namespace diamond
