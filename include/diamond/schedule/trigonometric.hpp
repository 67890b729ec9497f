/// Trigonometric schedule: alpha = sin(pi t / 2), sigma = cos(pi t / 2), of unit norm.
#pragma once

#include <cmath>

#include <diamond/core/scalar.hpp>

namespace diamond {

struct trigonometric_schedule {
    [[nodiscard]] DIAMOND_HD double alpha(double t) const { return std::sin(0.5 * pi * t); }
    // sin(pi (1 - t)/2) is cos(pi t/2) and is exactly 0 at t = 1.
    [[nodiscard]] DIAMOND_HD double sigma(double t) const { return std::sin(0.5 * pi * (1.0 - t)); }
    [[nodiscard]] DIAMOND_HD double d_alpha(double t) const { return 0.5 * pi * sigma(t); }
    [[nodiscard]] DIAMOND_HD double d_sigma(double t) const { return -0.5 * pi * alpha(t); }
    [[nodiscard]] DIAMOND_HD double time_at(double a, double s) const { return std::atan2(a, s) / (0.5 * pi); }
};

} // namespace diamond
