/// Cosine schedule with offset (Nichol and Dhariwal, arXiv 2102.09672): with tau = 1 - t and f = cos^2(pi/2 (tau + o)/(1 + o)),
/// alpha^2 = f(tau)/f(0), sigma^2 = 1 - alpha^2.
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

struct cosine_schedule {
    double offset = 0.008;

    // cos(pi/2 (tau + o)/(1 + o)) is sin(k t), k = pi/2 / (1 + o): exact at both ends, and to the last bits near them.
    [[nodiscard]] DIAMOND_HD double alpha(instant t) const { return std::sin(slope() * t.t) / std::sin(slope()); }
    /// With e = k (1 - t): sigma^2 = (sin^2 k - sin^2 (k - e))/sin^2 k = sin e (2 cot k cos e + (1 - cot^2 k) sin e), to the last bits where t is
    /// near 1: k is near pi/2, so that sin k(1 + t) in its usual form would lose two digits.
    [[nodiscard]] DIAMOND_HD double sigma(instant t) const {
        const double k = slope(), e = k * t.rest, cotangent = std::cos(k) / std::sin(k);
        return std::sqrt(std::sin(e) * (2.0 * cotangent * std::cos(e) + (1.0 - cotangent) * (1.0 + cotangent) * std::sin(e)));
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(instant t) const { return slope() * std::cos(slope() * t.t) / std::sin(slope()); }
    [[nodiscard]] DIAMOND_HD double d_sigma(instant t) const { return sigma_d_sigma(t) / sigma(t); }
    /// sigma^2 = 1 - alpha^2, so sigma sigma' = -alpha alpha', finite at t = 1 where sigma' is not.
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(instant t) const { return -alpha(t) * d_alpha(t); }
    /// alpha = a/hypot(a, s) on this schedule of unit norm, so sin kt : cos kt = a sin k : c, c = hypot(s, a cos k). Nearer to data than to noise
    /// from the other end: sin k(1 - t) = sin k cos kt - cos k sin kt = sin k s^2/(hypot(a, s) (c + a cos k)), where nothing cancels.
    [[nodiscard]] DIAMOND_HD instant time_at(double a, double s) const {
        const double k = slope(), c = std::hypot(s, a * std::cos(k));
        if (a < s) return std::atan2(a * std::sin(k), c) / k;
        const double rest = std::asin(std::sin(k) * (s / std::hypot(a, s)) * (s / (c + a * std::cos(k)))) / k;
        return {1.0 - rest, rest};
    }
    /// alpha(t') sigma(t) - alpha(t) sigma(t') = (alpha'^2 - alpha^2)/(alpha' sigma + alpha sigma'), the first sin k(t' - t) sin k(t' + t)/sin^2 k,
    /// and near 1, where its usual form would lose two digits, sin k(t' + t) = sin 2k cos e - cos 2k sin e with e = k (2 - t - t').
    [[nodiscard]] DIAMOND_HD double cross(interval span) const {
        const double k = slope(), e = k * ((1.0 - span.from) + (1.0 - span.to)), sine = std::sin(k), cosine = std::cos(k);
        const double sum = span.from < 0.5 ? std::sin(k * (span.from + span.to)) : 2.0 * sine * cosine * std::cos(e) + (sine - cosine) * (sine + cosine) * std::sin(e);
        return std::sin(k * span.length()) * sum / (square(sine) * (alpha(span.to) * sigma(span.from) + alpha(span.from) * sigma(span.to)));
    }

private:
    [[nodiscard]] DIAMOND_HD double slope() const { return 0.5 * pi / (1.0 + offset); }
};

} // namespace diamond
