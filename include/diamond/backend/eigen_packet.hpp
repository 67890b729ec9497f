/// This header makes the processor's registers numbers of core/packed.hpp.
#pragma once

#include <bit>
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

/// Returns the register that Eigen computes with.
template <class Real>
auto to_eigen(typename register_of<Real>::type value) {
    return std::bit_cast<typename Eigen::internal::packet_traits<Real>::type>(value);
}
/// Returns exp x of a register by Eigen; 0 where x is below `least`, where Eigen's are not; NaN for NaN.
template <class Real>
auto exp_above(Real least, typename register_of<Real>::type value) {
    using numbers = typename register_of<Real>::type;
    const auto result = std::bit_cast<numbers>(Eigen::internal::pexp(to_eigen<Real>(value)));
    return value >= least ? result : value < least ? numbers{} : value;
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
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_above(-708.0, value); }
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
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_above(-87.0F, value); }
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
