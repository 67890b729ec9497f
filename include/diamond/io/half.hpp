/// This header converts numbers of 16 bits to float, exactly, for every float16 and bfloat16 is a float; and
/// doubles to numbers of 16 bits, by one rounding to the nearest.
#pragma once

#include <bit>
#include <cstdint>

namespace diamond::io {

/// Returns the value of an IEEE 754 binary16: a sign, 5 bits of exponent and 10 of fraction. A NaN keeps its
/// sign and payload.
[[nodiscard]] constexpr float float_of_half(std::uint16_t bits) noexcept {
    constexpr unsigned fraction_bits = 10, more_bits = 23 - fraction_bits; // a float has 23
    constexpr std::uint32_t most_exponent = 31, rebias = 127 - 15;
    const auto sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
    const auto exponent = static_cast<std::uint32_t>(bits >> fraction_bits & most_exponent);
    auto fraction = static_cast<std::uint32_t>(bits & 0x3ff);
    if (exponent == most_exponent) return std::bit_cast<float>(sign | 0x7f800000u | fraction << more_bits);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + rebias) << 23 | fraction << more_bits);
    if (fraction == 0) return std::bit_cast<float>(sign);
    // A number below 2^-14, which is subnormal in binary16, is a normal float.
    const auto shift = static_cast<std::uint32_t>(std::countl_zero(fraction)) - (31 - fraction_bits);
    fraction = fraction << shift & 0x3ff;
    return std::bit_cast<float>(sign | (rebias + 1 - shift) << 23 | fraction << more_bits);
}

/// Returns the value of a bfloat16, which is the upper half of a float.
[[nodiscard]] constexpr float float_of_bfloat16(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

namespace detail {
/// Returns the bits of the number nearest to x of a format with a sign and so many bits of exponent and
/// fraction, 16 in all; of two that are equally near the one whose last bit is 0. It is infinite where x
/// rounds beyond the largest, and quiet where x is a NaN.
template <int exponent_bits, int fraction_bits>
[[nodiscard]] constexpr std::uint16_t nearest_bits(double x) noexcept {
    constexpr int double_fraction = 52, double_bias = 1023;
    constexpr int least_exponent = 2 - (1 << (exponent_bits - 1)); // of numbers that are not subnormal
    constexpr auto infinity = ((std::uint64_t{1} << exponent_bits) - 1) << fraction_bits;
    const auto bits = std::bit_cast<std::uint64_t>(x), sign = bits >> 63 << 15,
               size = bits & ~(std::uint64_t{1} << 63);
    const int exponent = static_cast<int>(size >> double_fraction) - double_bias;
    const auto fraction = size & ((std::uint64_t{1} << double_fraction) - 1);
    if (exponent > double_bias) // infinity or NaN
        return static_cast<std::uint16_t>(sign | infinity |
                                          (fraction != 0 ? std::uint64_t{1} << (fraction_bits - 1) : 0));
    // Above the least exponent all numbers keep the same digits, below it the same unit.
    const int above = exponent > least_exponent ? exponent - least_exponent : 0;
    const int below = exponent < least_exponent ? least_exponent - exponent : 0;
    const int dropped = double_fraction - fraction_bits + below;
    if (dropped > double_fraction + 1) return static_cast<std::uint16_t>(sign); // less than half of the least
    const auto digits = fraction | std::uint64_t{1} << double_fraction;
    const auto kept = digits >> dropped, rest = digits & ((std::uint64_t{1} << dropped) - 1),
               half = std::uint64_t{1} << (dropped - 1);
    // What is carried out of the fraction adds to the exponent, as it should.
    const auto rounded = (static_cast<std::uint64_t>(above) << fraction_bits) + kept +
                         (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
    return static_cast<std::uint16_t>(sign | (rounded < infinity ? rounded : infinity));
}
} // namespace detail

/// Returns the bits of the IEEE 754 binary16 nearest to x, ties to even; infinity from 65520 on.
[[nodiscard]] constexpr std::uint16_t half_of(double x) noexcept { return detail::nearest_bits<5, 10>(x); }
/// Returns the bits of the bfloat16 nearest to x, ties to even.
[[nodiscard]] constexpr std::uint16_t bfloat16_of(double x) noexcept { return detail::nearest_bits<8, 7>(x); }

} // namespace diamond::io
