/// Scalar mathematics that every layer shares.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include <diamond/core/host_device.hpp>

namespace diamond {

using index_t = std::ptrdiff_t;

inline constexpr double pi       = 3.14159265358979323846;
inline constexpr double infinity = std::numeric_limits<double>::infinity();

DIAMOND_HD constexpr double square(double x) { return x * x; }

/// log(exp a + exp b), finite wherever the answer is; -inf is an ordinary argument.
DIAMOND_HD inline double log_add_exp(double a, double b) {
    const double high = a > b ? a : b;
    const double low  = a > b ? b : a;
    return low == -infinity ? high : high + std::log1p(std::exp(low - high));
}

} // namespace diamond
