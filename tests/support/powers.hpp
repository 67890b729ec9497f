/// This header defines schedules that leave noise slowly, as a user may write them: alpha = t^p, where
/// alpha'(0) = 0 for p > 1.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace powers {

/// This schedule is alpha = t^p, sigma = 1 - t.
struct power_schedule {
    double power = 2.0;
    DIAMOND_HD double alpha(double t) const { return std::pow(t, power); }
    DIAMOND_HD double sigma(double t) const { return 1.0 - t; }
    DIAMOND_HD double d_alpha(double t) const { return power * std::pow(t, power - 1.0); }
    DIAMOND_HD double d_sigma(double) const { return -1.0; }
};

/// This schedule is alpha = t^p, sigma = sqrt(1 - alpha^2).
struct unit_power_schedule {
    double power = 2.0;
    DIAMOND_HD double alpha(double t) const { return std::pow(t, power); }
    DIAMOND_HD double sigma(double t) const {
        return t > 0.0 ? std::sqrt(-std::expm1(2.0 * power * std::log(t))) : 1.0;
    }
    DIAMOND_HD double d_alpha(double t) const { return power * std::pow(t, power - 1.0); }
    DIAMOND_HD double d_sigma(double t) const { return sigma_d_sigma(t) / sigma(t); }
    DIAMOND_HD double sigma_d_sigma(double t) const { return -alpha(t) * d_alpha(t); }
};

/// This schedule is either of them, chosen at run time, so that a test instantiates its kernels once.
struct any_power_schedule {
    double power = 2.0;
    bool unit = false;
    DIAMOND_HD double alpha(double t) const { return power_schedule{power}.alpha(t); }
    DIAMOND_HD double sigma(double t) const { return unit ? unit_power_schedule{power}.sigma(t) : 1.0 - t; }
    DIAMOND_HD double d_alpha(double t) const { return power_schedule{power}.d_alpha(t); }
    DIAMOND_HD double d_sigma(double t) const { return unit ? unit_power_schedule{power}.d_sigma(t) : -1.0; }
    DIAMOND_HD double sigma_d_sigma(double t) const {
        return unit ? unit_power_schedule{power}.sigma_d_sigma(t) : t - 1.0;
    }
};
inline constexpr any_power_schedule flat_starts[] = {{2.0, false}, {2.0, true}, {1.2, false}, {1.2, true}};

} // namespace powers
