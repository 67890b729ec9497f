#include <bit>
#include <cmath>
#include <cstdint>

#include <doctest/doctest.h>

#include <diamond/io/half.hpp>

namespace io = diamond::io;

namespace {

/// The standard's words: (-1)^s 2^(e - bias) (1 + m / 2^p), below the least exponent (-1)^s 2^(1 - bias) m /
/// 2^p, above the largest infinity or NaN.
double number_of(std::uint32_t bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1, most = (1 << exponent_bits) - 1;
    const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1.0 : 1.0;
    const int exponent = static_cast<int>(bits >> fraction_bits) & most;
    const double fraction = std::ldexp(static_cast<double>(bits & ((1u << fraction_bits) - 1)),
                                       -fraction_bits);
    if (exponent == most) return fraction == 0 ? sign * INFINITY : NAN;
    return sign *
           (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

/// Whether all 65,536 patterns give the number that the formula gives, zeros their sign, NaNs their sign and
/// payload.
template <class Convert>
int wrong(Convert convert, int exponent_bits, int fraction_bits) {
    int count = 0;
    for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
        const float found = convert(static_cast<std::uint16_t>(bits));
        const double expected = number_of(bits, exponent_bits, fraction_bits);
        const bool negative = (bits & 0x8000) != 0;
        const auto payload = std::bit_cast<std::uint32_t>(found) & 0x7fffff;
        const bool same = std::isnan(expected)
                            ? std::isnan(found) && payload == (bits & ((1u << fraction_bits) - 1))
                                                                  << (23 - fraction_bits)
                            : static_cast<double>(found) == expected;
        count += !same || std::signbit(found) != negative;
    }
    return count;
}

} // namespace

TEST_CASE("every float16 and bfloat16 is read exactly") {
    CHECK(wrong([](std::uint16_t bits) { return io::float_of_half(bits); }, 5, 10) == 0);
    CHECK(wrong([](std::uint16_t bits) { return io::float_of_bfloat16(bits); }, 8, 7) == 0);
    CHECK(wrong([](std::uint16_t bits) { return io::float_of_bfloat16(bits); }, 5, 10) >
          60'000); // the formula tells them apart
    static_assert(io::float_of_half(0x3555) == 0.333251953125f);
    static_assert(io::float_of_half(0x0001) == 0x1p-24f);
}
