/// This header tests what compilers do not tell about their flags (core/ieee.hpp) with a few numbers.
#pragma once

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include <diamond/core/scalar.hpp>
#include <diamond/random/normal.hpp>

namespace diamond::detail {

/// Tests whether the compiler and the floating-point mode of the thread provide what the library needs, with
/// numbers that the compiler cannot foresee. Contexts call it when they are made.
/// @throws std::runtime_error that says what failed and which flags cause it.
inline void require_ieee() {
    const auto unforeseen = [](double x) {
        volatile double kept = x;
        return static_cast<double>(kept);
    };
    const auto needs = [](bool holds, const char* what) {
        if (!holds)
            throw std::runtime_error(
                std::string("diamond needs IEEE arithmetic, but here ") + what +
                ": compile without -ffast-math and its parts -ffinite-math-only, -fno-honor-nans, "
                "-fno-honor-infinities and -fassociative-math, and leave the rounding mode at FE_TONEAREST");
    };
    const double one = unforeseen(1.0), nan = unforeseen(not_a_number), inf = unforeseen(infinity),
                 tiny = unforeseen(0x1p-60);
    needs(std::isnan(nan) && nan != nan && !(nan < one) && !std::isnan(one), "a NaN is taken for a number");
    needs(std::isinf(inf) && inf - inf != 0.0 && -inf < -std::numeric_limits<double>::max() &&
              !std::isfinite(inf),
          "an infinity is taken for a number");
    needs(one + tiny == 1.0 && one - tiny == 1.0 && -one - tiny == -1.0, "sums are not rounded to nearest");
    // This tolerance is far above what rounding moves, in whatever order, and far below what a wrong
    // reduction of the argument does.
    constexpr double tolerance = 1e-12;
    for (const double x : {-0.3, -3.3, -700.25})
        needs(std::abs(exp_nonpositive(unforeseen(x)) / std::exp(x) - 1.0) < tolerance,
              "exponentials are wrong");
    for (const double u : {1.0, 0.984375, 1e-15})
        needs(std::abs(log_unit(unforeseen(u)) - std::log(u)) < tolerance, "logarithms are wrong");
}

} // namespace diamond::detail
