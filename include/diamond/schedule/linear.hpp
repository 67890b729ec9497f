/// The linear schedule (CondOT, rectified flow): alpha = t, sigma = 1 - t.
#pragma once

#include <diamond/core/interval.hpp>

namespace diamond {

/// The schedule alpha = t, sigma = 1 - t, for t in [0, 1].
struct linear_schedule {
    [[nodiscard]] DIAMOND_HD double alpha(instant t) const { return t.t; }
    [[nodiscard]] DIAMOND_HD double sigma(instant t) const { return t.rest; }
    [[nodiscard]] DIAMOND_HD double d_alpha(instant) const { return 1.0; }
    [[nodiscard]] DIAMOND_HD double d_sigma(instant) const { return -1.0; }
    /// The time at which alpha/sigma = a/s, for a, s > 0.
    [[nodiscard]] DIAMOND_HD instant time_at(double a, double s) const { return {a / (a + s), s / (a + s)}; }
    /// alpha(t') sigma(t) - alpha(t) sigma(t') = t' - t.
    [[nodiscard]] DIAMOND_HD double cross(interval span) const { return span.length(); }
};

} // namespace diamond
