/// This header converts numbers of 16 bits to float. The conversion is exact, for every float16 and bfloat16
/// is a float.
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

} // namespace diamond::io
