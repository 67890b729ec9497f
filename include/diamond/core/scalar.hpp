/// This file has the scalar functions and constants that every layer shares.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <diamond/core/host_device.hpp>
#include <diamond/core/ieee.hpp>

namespace diamond {

/// Counts elements and names their places.
using index_t = std::ptrdiff_t;

/// The ratio pi of a circle's circumference to its diameter, rounded to double.
inline constexpr double pi = 3.14159265358979323846;
// These are constants, since nvcc lets no device function call numeric_limits.
/// Positive infinity in double; log densities and rewards of forbidden samples are its negative.
inline constexpr double infinity = std::numeric_limits<double>::infinity();
/// A quiet NaN in double, which stands for a number that is not known.
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
/// The least positive double that is not denormal.
inline constexpr double least_normal = std::numeric_limits<double>::min();

/// Returns the square x^2, without a call of std::pow.
DIAMOND_HD constexpr double square(double x) { return x * x; }

/// Returns exp x for x <= 0, to 2 units in the last place; it is 0 below the logarithm of the least normal
/// number, and NaN for NaN. It is plain arithmetic without branches, which compilers vectorise; a loop over
/// std::exp takes five times as long. The rational function is that of Cephes (S. Moshier).
DIAMOND_HD inline double exp_nonpositive(double x) {
    constexpr double least = -708.0, log2_e = 1.4426950408889634074, ln2_high = 6.93145751953125e-1,
                     ln2_low = 1.42860682030941723212e-6;
    constexpr double rounder = 0x1.8p52; // a sum with it has no fraction, and its last bits are that integer
    const double clipped = x < least ? least : x;
    const double shifted = clipped * log2_e + rounder;
    const auto whole = __builtin_bit_cast(std::uint64_t, shifted);
    // This is shifted - rounder, which compilers might take for clipped * log2_e.
    const double n = static_cast<std::int32_t>(static_cast<std::uint32_t>(whole));
    const double r = (clipped - n * ln2_high) - n * ln2_low, rr = r * r;
    const double p = r * ((1.26177193074810590878e-4 * rr + 3.02994407707441961300e-2) * rr +
                          9.99999999999999999910e-1);
    const double q = ((3.00198505138664455042e-6 * rr + 2.52448340349684104192e-3) * rr +
                      2.27265548208155028766e-1) *
                         rr +
                     2.00000000000000000005;
    const double power = __builtin_bit_cast(double, (whole + 1023) << 52); // 2^n
    return x < least ? 0.0 : (1.0 + 2.0 * (p / (q - p))) * power;
}

/// Returns log(exp a + exp b), which is finite wherever the exact result is; -inf is an ordinary argument.
DIAMOND_HD inline double log_add_exp(double a, double b) {
    const double high = a > b ? a : b;
    const double low = a > b ? b : a;
    return low == -infinity ? high : high + std::log1p(std::exp(low - high));
}

} // namespace diamond
