/// The trigonometric schedule: alpha = sin(pi t / 2), sigma = cos(pi t / 2).
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The schedule alpha = sin(pi t / 2), sigma = cos(pi t / 2), for t in [0, 1]; alpha^2 + sigma^2 = 1.
struct trigonometric_schedule {
    [[nodiscard]] DIAMOND_HD double alpha(instant t) const { return std::sin(0.5 * pi * t.t); }
    /// cos(pi t/2) as sin(pi (1 - t)/2), which is exactly 0 at t = 1.
    [[nodiscard]] DIAMOND_HD double sigma(instant t) const { return std::sin(0.5 * pi * t.rest); }
    [[nodiscard]] DIAMOND_HD double d_alpha(instant t) const { return 0.5 * pi * sigma(t); }
    [[nodiscard]] DIAMOND_HD double d_sigma(instant t) const { return -0.5 * pi * alpha(t); }
    /// The time at which alpha/sigma = a/s, for a, s > 0.
    [[nodiscard]] DIAMOND_HD instant time_at(double a, double s) const {
        return {std::atan2(a, s) / (0.5 * pi), std::atan2(s, a) / (0.5 * pi)};
    }
    /// alpha(t') sigma(t) - alpha(t) sigma(t') = sin(pi (t' - t)/2).
    [[nodiscard]] DIAMOND_HD double cross(interval span) const { return std::sin(0.5 * pi * span.length()); }
};

} // namespace diamond
