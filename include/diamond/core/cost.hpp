/// The cost of a computation is counted in network evaluations, and every table and driver counts it so.
#pragma once

#include <cstdint>

namespace diamond {

/// Counts evaluations: an evaluation of a batch of N columns, or particles, counts as N. Reward calls are
/// counted apart, since their price is the user's.
struct cost {
    std::int64_t forward = 0; ///< network evaluations
    std::int64_t jvp = 0;     ///< Jacobian-vector products (forward mode)
    std::int64_t vjp = 0;     ///< vector-Jacobian products (reverse mode)
    std::int64_t reward = 0;  ///< reward evaluations

    /// A Jacobian-vector product counts twice, since it carries value and tangent.
    static constexpr std::int64_t jvp_weight = 2;
    /// A vector-Jacobian product counts three times, since it runs forward once and back at twice the cost.
    static constexpr std::int64_t vjp_weight = 3;

    /// Returns the network evaluations as one number, forward + 2 jvp + 3 vjp; rewards are not in it.
    [[nodiscard]] constexpr std::int64_t evaluations() const {
        return forward + jvp_weight * jvp + vjp_weight * vjp;
    }

    /// Adds another cost to this one, count by count.
    constexpr cost& operator+=(const cost& other) {
        forward += other.forward;
        jvp += other.jvp;
        vjp += other.vjp;
        reward += other.reward;
        return *this;
    }
    /// Returns the sum of two costs, count by count.
    friend constexpr cost operator+(cost a, const cost& b) { return a += b; }
    /// Returns a - b, count by count: what was spent between two readings of a counter.
    friend constexpr cost operator-(const cost& a, const cost& b) {
        return {a.forward - b.forward, a.jvp - b.jvp, a.vjp - b.vjp, a.reward - b.reward};
    }
    /// Returns the cost of so many equal calls: each count times their number.
    friend constexpr cost operator*(const cost& a, std::int64_t times) {
        return {a.forward * times, a.jvp * times, a.vjp * times, a.reward * times};
    }
    /// Returns the share of one of so many equal parts: each count over their number.
    friend constexpr cost operator/(const cost& a, std::int64_t parts) {
        return {a.forward / parts, a.jvp / parts, a.vjp / parts, a.reward / parts};
    }
    /// Says whether all four counts agree.
    friend constexpr bool operator==(const cost&, const cost&) = default;
};

} // namespace diamond
