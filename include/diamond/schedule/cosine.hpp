/// Cosine schedule with offset (Nichol and Dhariwal, arXiv 2102.09672): with tau = 1 - t and f = cos^2(pi/2 (tau + o)/(1 + o)),
/// alpha^2 = f(tau)/f(0), sigma^2 = 1 - alpha^2.
#pragma once

#include <cmath>

#include <diamond/core/scalar.hpp>

namespace diamond {

struct cosine_schedule {
    double offset = 0.008;

    [[nodiscard]] DIAMOND_HD double alpha(double t) const { return t <= 0.0 ? 0.0 : std::cos(angle(t)) / std::cos(angle(1.0)); }
    /// sigma^2 = (cos^2 a_1 - cos^2 a)/cos^2 a_1 = sin(a + a_1) sin(a - a_1)/cos^2 a_1, without cancellation near t = 1.
    [[nodiscard]] DIAMOND_HD double sigma(double t) const {
        const double a = angle(t), a_1 = angle(1.0);
        return t >= 1.0 ? 0.0 : std::sqrt(std::sin(a + a_1) * std::sin(slope() * (1.0 - t))) / std::cos(a_1);
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(double t) const { return slope() * std::sin(angle(t)) / std::cos(angle(1.0)); }
    [[nodiscard]] DIAMOND_HD double d_sigma(double t) const { return sigma_d_sigma(t) / sigma(t); }
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(double t) const { return -alpha(t) * d_alpha(t); }
    [[nodiscard]] DIAMOND_HD double time_at(double a, double s) const {
        // alpha = a / hypot(a, s) on this unit-norm schedule, and alpha = cos(angle)/cos(angle(1)).
        const double a_t = std::acos(std::cos(angle(1.0)) * a / std::hypot(a, s));
        const double t   = 1.0 - (a_t - angle(1.0)) / slope();
        return t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
    }

private:
    [[nodiscard]] DIAMOND_HD double slope() const { return 0.5 * pi / (1.0 + offset); }
    [[nodiscard]] DIAMOND_HD double angle(double t) const { return slope() * ((1.0 - t) + offset); }
};

} // namespace diamond
