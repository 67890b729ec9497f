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

/// A register that counts its numbers from 0.
template <class Packet>
Packet counting() {
    Packet result;
    for (index_t l = 0; l < index_t{sizeof(Packet) / sizeof(result[0])}; ++l)
        result[l] = static_cast<std::remove_reference_t<decltype(result[0])>>(l);
    return result;
}
/// Returns the last `count` numbers of a register, and 0 in place of those before.
template <class Packet>
Packet last_of(Packet value, index_t count) {
    using number = std::remove_cvref_t<decltype(value[0])>;
    constexpr auto lanes = index_t{sizeof(Packet) / sizeof(number)};
    return counting<Packet>() < static_cast<number>(lanes - count) ? Packet{} : value;
}
template <class Packet>
using eigen_register_of =
    typename Eigen::internal::packet_traits<std::remove_cvref_t<decltype(Packet{}[0])>>::type;
/// Returns exp x of a register by Eigen, or 0 where x is below `least`, and NaN for NaN.
template <class Real, class Packet>
Packet exp_of(Packet value, Real least) {
    using own = typename Eigen::internal::packet_traits<Real>::type;
    const auto result = std::bit_cast<Packet>(Eigen::internal::pexp(std::bit_cast<own>(value)));
    return value >= least ? result : value < least ? Packet{} : value;
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
    static packet last_of(packet value, index_t count) { return eigen::detail::last_of(value, count); }
    static double total(packet value) {
        return Eigen::internal::predux(std::bit_cast<eigen::detail::eigen_register_of<packet>>(value));
    }
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_of(value, -708.0); }
    static double largest(packet value) {
        return Eigen::internal::predux_max(std::bit_cast<eigen::detail::eigen_register_of<packet>>(value));
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
    static packet last_of(packet value, index_t count) { return eigen::detail::last_of(value, count); }
    static float total(packet value) {
        return Eigen::internal::predux(std::bit_cast<eigen::detail::eigen_register_of<packet>>(value));
    }
    static packet exp_nonpositive(packet value) { return eigen::detail::exp_of(value, -87.0F); }
    static float largest(packet value) {
        return Eigen::internal::predux_max(std::bit_cast<eigen::detail::eigen_register_of<packet>>(value));
    }
    static float sum(packet value) {
        float result = 0.0F;
        for (index_t l = 0; l < lanes; ++l) result += value[l];
        return result;
    }
};

} // namespace diamond::detail
