#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include <doctest/doctest.h>

#include <diamond/io/half.hpp>

namespace io_half_test {

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

/// The bits of the pattern nearest to |x| among all, by comparing with them; of two the even one; infinity
/// where the next number after the largest would be as near.
std::uint32_t nearest(double x, int exponent_bits, int fraction_bits) {
    const auto infinity = ((1u << exponent_bits) - 1) << fraction_bits;
    const double size = std::abs(x);
    std::uint32_t low = 0, high = infinity; // numbers grow with their bits
    const auto number = [&](std::uint32_t bits) {
        return bits == infinity
                 ? 2.0 * number_of(infinity - (1u << fraction_bits), exponent_bits, fraction_bits)
                 : number_of(bits, exponent_bits, fraction_bits);
    };
    while (high - low > 1) {
        const auto middle = (low + high) / 2;
        (number(middle) <= size ? low : high) = middle;
    }
    const double down = size - number(low), up = number(high) - size;
    const auto bits = down < up || (down == up && low % 2 == 0) ? low : high;
    return bits | (std::signbit(x) ? 0x8000u : 0u);
}
/// How many of many numbers are rounded wrongly: those of all patterns, the ones halfway between and those
/// next to them.
template <class Round>
int wrongly_rounded(Round round, int exponent_bits, int fraction_bits) {
    int count = 0;
    const auto infinity = ((1u << exponent_bits) - 1) << fraction_bits;
    for (std::uint32_t bits = 0; bits + 1 < infinity; ++bits) {
        const double here = number_of(bits, exponent_bits, fraction_bits),
                     middle = (here + number_of(bits + 1, exponent_bits, fraction_bits)) / 2.0;
        const std::array<double, 6> all{
            here, -here, middle, -middle, std::nextafter(middle, 0.0), std::nextafter(middle, 1e300)};
        for (const double x : all) count += round(x) != nearest(x, exponent_bits, fraction_bits);
    }
    return count;
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

TEST_CASE("numbers are rounded to the nearest float16 and bfloat16, ties to even") {
    CHECK(wrongly_rounded([](double x) { return io::half_of(x); }, 5, 10) == 0);
    CHECK(wrongly_rounded([](double x) { return io::bfloat16_of(x); }, 8, 7) == 0);
    // By way of float, the first of these would be a tie, and go down.
    CHECK(io::half_of(1.0 + 0x1p-11 + 0x1p-40) == 0x3c01);
    CHECK(io::half_of(static_cast<double>(1.0F + 0x1p-11F)) == 0x3c00);
    static_assert(io::half_of(65504.0) == 0x7bff && io::half_of(65519.9) == 0x7bff);
    static_assert(io::half_of(65520.0) == 0x7c00 && io::half_of(-1e300) == 0xfc00);
    static_assert(io::half_of(0x1p-25) == 0 && io::half_of(0x1.1p-25) == 1 && io::half_of(5e-324) == 0);
    static_assert(io::half_of(-0.0) == 0x8000 && io::bfloat16_of(1.0) == 0x3f80);
    CHECK(std::isnan(io::float_of_half(io::half_of(NAN))));
    CHECK(std::isnan(io::float_of_bfloat16(io::bfloat16_of(NAN))));
    CHECK(io::float_of_bfloat16(io::bfloat16_of(-INFINITY)) == -INFINITY);
}

} // namespace io_half_test
