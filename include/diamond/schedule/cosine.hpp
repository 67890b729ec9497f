/// The cosine schedule with an offset (Nichol and Dhariwal, arXiv 2102.09672).
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The schedule alpha^2 = f(tau)/f(0), sigma^2 = 1 - alpha^2, with tau = 1 - t and f(tau) = cos^2(pi/2 (tau +
/// o)/(1 + o)), for t in [0, 1].
struct cosine_schedule {
    double offset = 0.008; ///< o >= 0

    /// The cosine cos(pi/2 (tau + o)/(1 + o)) is sin(k t) with k = pi/2 / (1 + o): alpha is exact at both
    /// ends, and accurate to the last bits near them.
    [[nodiscard]] DIAMOND_HD double alpha(instant t) const {
        return std::sin(slope() * t.t) / std::sin(slope());
    }
    /// With e = k (1 - t), sigma^2 = (sin^2 k - sin^2 (k - e))/sin^2 k = sin e (2 cot k cos e + (1 - cot^2 k)
    /// sin e). This is accurate to the last bits where t is near 1: k is near pi/2, and the usual form by sin
    /// k(1 + t) would lose two digits.
    [[nodiscard]] DIAMOND_HD double sigma(instant t) const {
        const double k = slope(), e = k * t.rest, cotangent = std::cos(k) / std::sin(k);
        return std::sqrt(std::sin(e) * (2.0 * cotangent * std::cos(e) +
                                        (1.0 - cotangent) * (1.0 + cotangent) * std::sin(e)));
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(instant t) const {
        return slope() * std::cos(slope() * t.t) / std::sin(slope());
    }
    [[nodiscard]] DIAMOND_HD double d_sigma(instant t) const { return sigma_d_sigma(t) / sigma(t); }
    /// The product sigma sigma' = -alpha alpha', for sigma^2 = 1 - alpha^2: it is finite at t = 1, where
    /// sigma' is not.
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(instant t) const { return -alpha(t) * d_alpha(t); }
    /// The time at which alpha/sigma = a/s, for a, s > 0. As alpha^2 + sigma^2 = 1, alpha = a/hypot(a, s), so
    /// that sin kt : cos kt = a sin k : c with c = hypot(s, a cos k). Where a >= s, 1 - t comes from
    /// sin k(1 - t) = sin k cos kt - cos k sin kt = sin k s^2/(hypot(a, s) (c + a cos k)), where nothing
    /// cancels.
    [[nodiscard]] DIAMOND_HD instant time_at(double a, double s) const {
        const double k = slope(), c = std::hypot(s, a * std::cos(k));
        if (a < s) return std::atan2(a * std::sin(k), c) / k;
        const double rest = std::asin(std::sin(k) * (s / std::hypot(a, s)) * (s / (c + a * std::cos(k)))) / k;
        return {1.0 - rest, rest};
    }
    /// alpha(t') sigma(t) - alpha(t) sigma(t') = (alpha(t')^2 - alpha(t)^2)/(alpha(t') sigma(t) + alpha(t)
    /// sigma(t')), with the numerator sin k(t' - t) sin k(t' + t)/sin^2 k. Near 1, where its usual form would
    /// lose two digits, sin k(t' + t) = sin 2k cos e - cos 2k sin e with e = k (2 - t - t').
    [[nodiscard]] DIAMOND_HD double cross(interval span) const {
        const double k = slope(), e = k * ((1.0 - span.from) + (1.0 - span.to)), sine = std::sin(k),
                     cosine = std::cos(k);
        const double sum = span.from < 0.5 ? std::sin(k * (span.from + span.to))
                                           : 2.0 * sine * cosine * std::cos(e) +
                                                 (sine - cosine) * (sine + cosine) * std::sin(e);
        return std::sin(k * span.length()) * sum /
               (square(sine) * (alpha(span.to) * sigma(span.from) + alpha(span.from) * sigma(span.to)));
    }

private:
    /// Returns k = pi/2 / (1 + o).
    [[nodiscard]] DIAMOND_HD double slope() const { return 0.5 * pi / (1.0 + offset); }
};

} // namespace diamond
