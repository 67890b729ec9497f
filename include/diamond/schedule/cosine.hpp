/// Cosine schedule with offset (Nichol and Dhariwal, arXiv 2102.09672): with tau = 1 - t and f = cos^2(pi/2 (tau + o)/(1 + o)),
/// alpha^2 = f(tau)/f(0), sigma^2 = 1 - alpha^2.
#pragma once

#include <cmath>

#include <diamond/core/scalar.hpp>

namespace diamond {

struct cosine_schedule {
    double offset = 0.008;

    // cos(pi/2 (tau + o)/(1 + o)) is sin(k t), k = pi/2 / (1 + o): exact at both ends, and to the last bits near them.
    [[nodiscard]] DIAMOND_HD double alpha(double t) const { return std::sin(slope() * t) / std::sin(slope()); }
    /// sigma^2 = (sin^2 k - sin^2 kt)/sin^2 k = sin(k (1 + t)) sin(k (1 - t))/sin^2 k, without cancellation near t = 1.
    [[nodiscard]] DIAMOND_HD double sigma(double t) const {
        return std::sqrt(std::sin(slope() * (1.0 + t)) * std::sin(slope() * (1.0 - t))) / std::sin(slope());
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(double t) const { return slope() * std::cos(slope() * t) / std::sin(slope()); }
    [[nodiscard]] DIAMOND_HD double d_sigma(double t) const { return sigma_d_sigma(t) / sigma(t); }
    /// sigma^2 = 1 - alpha^2, so sigma sigma' = -alpha alpha', finite at t = 1 where sigma' is not.
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(double t) const { return -alpha(t) * d_alpha(t); }
    /// alpha = a/hypot(a, s) on this schedule of unit norm, so sin kt : cos kt = a sin k : hypot(s, a cos k).
    [[nodiscard]] DIAMOND_HD double time_at(double a, double s) const {
        const double t = std::atan2(a * std::sin(slope()), std::hypot(s, a * std::cos(slope()))) / slope();
        return t < 1.0 ? t : 1.0;
    }

private:
    [[nodiscard]] DIAMOND_HD double slope() const { return 0.5 * pi / (1.0 + offset); }
};

} // namespace diamond
