/// This header makes the processor's registers numbers of core/packed.hpp.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include <Eigen/Core>

#include <diamond/core/packed.hpp>

namespace diamond::eigen::detail {

using eigen_packet = Eigen::internal::packet_traits<double>::type;
inline constexpr index_t packet_lanes = index_t{sizeof(eigen_packet) / sizeof(double)};

/// As many numbers as Eigen puts doubles into a register: one where it has no registers for them.
template <class Real>
struct packet_of {
    using type [[gnu::vector_size(sizeof(Real) * packet_lanes)]] = Real;
};
using double_packet = packet_of<double>::type;

/// As many numbers as Eigen puts of their type into a register.
template <class Real>
struct register_of {
    using type [[gnu::vector_size(sizeof(typename Eigen::internal::packet_traits<Real>::type))]] = Real;
};
using float_register = register_of<float>::type;
/// As many whole numbers as floats.
template <class Whole>
struct beside_floats {
    using type [[gnu::vector_size(sizeof(float_register))]] = Whole;
};

/// Returns the register that Eigen computes with.
template <class Real>
auto to_eigen(typename register_of<Real>::type value) {
    return std::bit_cast<typename Eigen::internal::packet_traits<Real>::type>(value);
}
/// Returns exp x of registers for x <= 0: 0 where that is about the least normal number or less, and NaN for
/// NaN.
inline double_packet exp_nonpositive(double_packet x) {
    const auto result = std::bit_cast<double_packet>(Eigen::internal::pexp(to_eigen<double>(x)));
    return x >= -708.0 ? result : x < -708.0 ? double_packet{} : x; // Eigen's are not 0
}
/// That of floats is Cephes' polynomial, to 2 units in the last place, in fewer instructions than Eigen's,
/// which serves all numbers.
inline float_register exp_nonpositive(float_register x) {
    using whole_numbers = beside_floats<std::uint32_t>::type; // nvcc loses a local attribute
    constexpr float least = -87.0F, log2_e = 1.44269504F, ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;
    constexpr float rounder = 0x1.8p23F; // a sum with it has no fraction, and its last bits are that integer
    const float_register shifted = x * log2_e + rounder, whole = shifted - rounder;
    const float_register r = (x - whole * ln2_high) - whole * ln2_low;
    const float_register p = ((((1.9875691500e-4F * r + 1.3981999507e-3F) * r + 8.3334519073e-3F) * r +
                               4.1665795894e-2F) *
                                  r +
                              1.6666665459e-1F) *
                                 r +
                             5.0000001201e-1F;
    const auto power = std::bit_cast<float_register>( // 2^whole
        whole_numbers((std::bit_cast<whole_numbers>(shifted) + 127U) << 23));
    return x < least ? float_register{} : (p * (r * r) + r + 1.0F) * power;
}
/// Returns the last `count` numbers of a register, and 0 in place of those before.
template <class Real>
auto last_of(typename register_of<Real>::type value, index_t count) {
    using numbers = typename register_of<Real>::type;
    constexpr auto lanes = index_t{sizeof(numbers) / sizeof(Real)};
    numbers place{};
    for (index_t l = 0; l < lanes; ++l) place[l] = static_cast<Real>(l);
    return place < static_cast<Real>(lanes - count) ? numbers{} : value;
}

} // namespace diamond::eigen::detail

namespace diamond::detail {

template <>
struct number_access<eigen::detail::double_packet> {
    using packet = eigen::detail::double_packet;
    static constexpr index_t lanes = eigen::detail::packet_lanes;
    template <class Real>
    static packet read(const Real* from) {
        typename eigen::detail::packet_of<Real>::type numbers;
        std::memcpy(&numbers, from, sizeof numbers);
        return __builtin_convertvector(numbers, packet);
    }
    template <class Real>
    static void write(packet value, Real* to) {
        const auto numbers = __builtin_convertvector(value, typename eigen::detail::packet_of<Real>::type);
        std::memcpy(to, &numbers, sizeof numbers);
    }
    /// Eigen's roots of registers, which may be wrong in the last bit, and are NaN at infinity.
    static packet root(packet value) {
        return std::bit_cast<packet>(
            Eigen::internal::psqrt(std::bit_cast<eigen::detail::eigen_packet>(value)));
    }
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_nonpositive(value); }
    static double total(packet value) {
        return Eigen::internal::predux(eigen::detail::to_eigen<double>(value));
    }
    static double largest(packet value) {
        return Eigen::internal::predux_max(eigen::detail::to_eigen<double>(value));
    }
    static packet last_of(packet value, index_t count) {
        return eigen::detail::last_of<double>(value, count);
    }
    static double sum(packet value) {
        double result = 0.0;
        for (index_t l = 0; l < lanes; ++l) result += value[l];
        return result;
    }
    /// A register of numbers of a functor's own type.
    template <class Real>
    using of = typename eigen::detail::register_of<Real>::type;
};

/// A register of floats, which are computed with as they are.
template <>
struct number_access<eigen::detail::float_register> {
    using packet = eigen::detail::float_register;
    static constexpr index_t lanes = index_t{sizeof(packet) / sizeof(float)};
    static packet read(const float* from) {
        packet numbers;
        std::memcpy(&numbers, from, sizeof numbers);
        return numbers;
    }
    static void write(packet value, float* to) { std::memcpy(to, &value, sizeof value); }
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_nonpositive(value); }
    static float total(packet value) {
        return Eigen::internal::predux(eigen::detail::to_eigen<float>(value));
    }
    static float largest(packet value) {
        return Eigen::internal::predux_max(eigen::detail::to_eigen<float>(value));
    }
    static packet last_of(packet value, index_t count) { return eigen::detail::last_of<float>(value, count); }
    static float sum(packet value) {
        float result = 0.0F;
        for (index_t l = 0; l < lanes; ++l) result += value[l];
        return result;
    }
};

} // namespace diamond::detail
