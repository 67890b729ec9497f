/// Linear schedule (CondOT, rectified flow): alpha = t, sigma = 1 - t.
#pragma once

#include <diamond/core/host_device.hpp>

namespace diamond {

struct linear_schedule {
    [[nodiscard]] DIAMOND_HD double alpha(double t) const { return t; }
    [[nodiscard]] DIAMOND_HD double sigma(double t) const { return 1.0 - t; }
    [[nodiscard]] DIAMOND_HD double d_alpha(double) const { return 1.0; }
    [[nodiscard]] DIAMOND_HD double d_sigma(double) const { return -1.0; }
    [[nodiscard]] DIAMOND_HD double time_at(double a, double s) const { return a / (a + s); }
};

} // namespace diamond
