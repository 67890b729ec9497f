/// This file makes standard normals from random words by the method of Box and Muller. It is plain arithmetic
/// without branches, which compilers vectorise, and every back end computes the same numbers to a few units
/// in the last place.
///
/// In float, 4 words give 4 normals, and the radius has 32 bits. In double, 4 words give 2 normals; radius
/// and angle are made of 64 bits each, of which 52 reach the radius. The polynomials are those of Cephes (S.
/// Moshier), whose relative errors are below 1 ulp on these ranges.
#pragma once

#include <cmath>
#include <cstdint>

#include <diamond/core/host_device.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

/// Says the number of normals that one block of four words gives.
template <class Real>
inline constexpr index_t normals_per_block = sizeof(Real) == 4 ? 4 : 2;

namespace detail {

/// Returns log x for x in (0, 1].
DIAMOND_HD inline float log_unit(float x) {
    constexpr std::uint32_t one = 0x3f800000u, sqrt_half = 0x3f3504f3u;
    // This scales x into [sqrt 1/2, sqrt 2) through the exponent bits.
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x) + (one - sqrt_half);
    const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
    const float f = __builtin_bit_cast(float, (bits & 0x007fffffu) + sqrt_half) - 1.0f;
    const float z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    return f + (f * z * p + exponent * -2.12194440e-4f - 0.5f * z) + exponent * 0.693359375f;
}

DIAMOND_HD inline double log_unit(double x) {
    constexpr std::uint64_t one = 0x3ff0000000000000ull, sqrt_half = 0x3fe6a09e667f3bcdull;
    const std::uint64_t bits = __builtin_bit_cast(std::uint64_t, x) + (one - sqrt_half);
    const auto exponent = static_cast<double>(static_cast<std::int32_t>(bits >> 52) - 1023);
    const double f = __builtin_bit_cast(double, (bits & 0x000fffffffffffffull) + sqrt_half) - 1.0;
    const double z = f * f;
    double p = 1.01875663804580931796e-4;
    p = p * f + 4.97494994976747001425e-1;
    p = p * f + 4.70579119878881725854e0;
    p = p * f + 1.44989225341610930846e1;
    p = p * f + 1.79368678507819816313e1;
    p = p * f + 7.70838733755885391666e0;
    double q = f + 1.12873587189167450590e1;
    q = q * f + 4.52279145837532221105e1;
    q = q * f + 8.29875266912776603211e1;
    q = q * f + 7.11544750618563894466e1;
    q = q * f + 2.31251620126765340583e1;
    return f + (f * (z * p / q) + exponent * -2.121944400546905827679e-4 - 0.5 * z) + exponent * 0.693359375;
}

/// Returns x, with its sign flipped where the top bit of `bits` is set.
DIAMOND_HD inline float flip_sign(float x, std::uint32_t bits) {
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) ^ (bits & 0x80000000u));
}
DIAMOND_HD inline double flip_sign(double x, std::uint64_t bits) {
    return __builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, x) ^ (bits & 0x8000000000000000ull));
}

/// Returns cosine and sine of the angle 2 pi bits/2^32 (float) or 2 pi bits/2^64 (double): the top two bits
/// are the quadrant, and the rest is the angle in it, taken symmetrically about 0.
struct sine_cosine_float {
    float cosine, sine;
};
DIAMOND_HD inline sine_cosine_float sine_cosine_of(std::uint32_t bits) {
    // The angle over pi/2, less 1/2, in 32 bits.
    const auto centred = static_cast<std::int32_t>((bits << 2) ^ 0x80000000u);
    const float x = (static_cast<float>(centred) + 0.5f) * (0x1p-32f * 1.57079632679489661923f);
    const float z = x * x;
    const float sine = x + x * z * ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f);
    const float cosine = 1.0f - 0.5f * z +
                         z * z *
                             ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z +
                              4.166664568298827e-2f);
    const bool swap = (bits & 0x40000000u) != 0;
    return {flip_sign(swap ? sine : cosine, bits ^ bits << 1), flip_sign(swap ? cosine : sine, bits)};
}

struct sine_cosine_double {
    double cosine, sine;
};
DIAMOND_HD inline sine_cosine_double sine_cosine_of(std::uint64_t bits) {
    // The angle in the quadrant has 52 bits; their conversion through the exponent is exact and vectorises,
    // and that of an integer does not.
    const std::uint64_t mantissa = (bits << 2) >> 12;
    const double x = (__builtin_bit_cast(double, mantissa | 0x3ff0000000000000ull) - (1.0 - 0x1p-53) - 0.5) *
                     1.57079632679489661923;
    const double z = x * x;
    double p = 1.58962301576546568060e-10;
    p = p * z - 2.50507477628578072866e-8;
    p = p * z + 2.75573136213857245213e-6;
    p = p * z - 1.98412698295895385996e-4;
    p = p * z + 8.33333333332211858878e-3;
    p = p * z - 1.66666666666666307295e-1;
    double q = -1.13585365213876817300e-11;
    q = q * z + 2.08757008419747316778e-9;
    q = q * z - 2.75573141792967388112e-7;
    q = q * z + 2.48015872888517045348e-5;
    q = q * z - 1.38888888888730564116e-3;
    q = q * z + 4.16666666666665929218e-2;
    const double sine = x + x * z * p, cosine = 1.0 - 0.5 * z + z * z * q;
    const bool swap = (bits & 0x4000000000000000ull) != 0;
    return {flip_sign(swap ? sine : cosine, bits ^ bits << 1), flip_sign(swap ? cosine : sine, bits)};
}

/// Returns the squared radius -2 log u. In float u = (w + 1/2)/2^32, and the largest radius is 6.8; in double
/// u has 52 bits and a half, and the largest radius is 8.6.
DIAMOND_HD inline float squared_radius(std::uint32_t word) {
    return -2.0f * log_unit((static_cast<float>(word) + 0.5f) * 0x1p-32f);
}
DIAMOND_HD inline double squared_radius(std::uint64_t word) {
    // u = (bits + 1/2) / 2^52 through the exponent: 1.bits - (1 - 2^-53), where both numbers are exact.
    return -2.0 * log_unit(__builtin_bit_cast(double, word >> 12 | 0x3ff0000000000000ull) - (1.0 - 0x1p-53));
}

} // namespace detail

/// Holds the squared radii r_k^2 and the directions of the normals of one block of words: normal 2k is r_k
/// cos_k, and normal 2k + 1 is r_k sin_k.
template <class Real>
struct polar_block {
    /// The number of pairs of normals in a block: 2 in float, 1 in double.
    static constexpr int pairs = static_cast<int>(normals_per_block<Real> / 2);
    /// The same number, as the extent of arrays.
    static constexpr auto size = static_cast<std::size_t>(pairs);
    Real squared_radius[size], cosine[size], sine[size]; ///< r_k^2, cos_k and sin_k.

    /// Transforms four words of random bits, uniform and independent, to radii and directions.
    DIAMOND_HD explicit polar_block(const philox_block& block) {
        if constexpr (sizeof(Real) == 4) {
            for (int k = 0; k < 2; ++k) {
                const auto direction = detail::sine_cosine_of(block.word[2 * k + 1]);
                squared_radius[k] = detail::squared_radius(block.word[2 * k]);
                cosine[k] = direction.cosine;
                sine[k] = direction.sine;
            }
        } else {
            const auto direction = detail::sine_cosine_of(std::uint64_t{block.word[3]} << 32 | block.word[2]);
            squared_radius[0] = detail::squared_radius(std::uint64_t{block.word[1]} << 32 | block.word[0]);
            cosine[0] = direction.cosine;
            sine[0] = direction.sine;
        }
    }
};

/// Holds the standard normals of one block of words.
template <class Real>
struct normal_block {
    Real value[normals_per_block<Real>]; ///< independent normals of mean 0 and variance 1

    /// Transforms four words of random bits, uniform and independent, by polar_block.
    DIAMOND_HD explicit normal_block(const philox_block& words) {
        const polar_block<Real> polar(words);
        for (int k = 0; k < polar_block<Real>::pairs; ++k) {
            const Real radius = std::sqrt(polar.squared_radius[k]);
            value[2 * k] = radius * polar.cosine[k];
            value[2 * k + 1] = radius * polar.sine[k];
        }
    }
};

} // namespace diamond
