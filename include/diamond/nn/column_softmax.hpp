/// This header makes the softmax of columns of scores, with a tangent beside the value and the gradient
/// through both (eq. column-softmax), (eq. column-softmax-cotangent).
///
/// Of a column s of scores, p = exp(s - max s) / sum exp(s - max s): the largest exponential is 1, so that no
/// score is too large. Write <p a> for sum p a. A tangent s' gives p' = p (s' - <p s'>). Back go, given the
/// cotangents a of p and a' of p', with m = <p s'> and m' = <p a'>:
///   s' gets p (a' - m');
///   s gets p (z - <p z>) with z = a + a' (s' - m) - s' m'.
/// One call does the work on a column, so that no bit depends on the columns beside it or on threads.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/packed.hpp>

namespace diamond::detail {

/// Goes along a column of `rows` numbers by packets N: all whole ones, and where numbers are left the packet
/// that ends with the last of them, which shares numbers with the one before it. What is computed of it is
/// computed before anything is written, and is written last, with the same bits where packets overlap.
template <class N>
struct packets_of_column {
    static constexpr index_t lanes = number_access<N>::lanes;
    index_t rows;

    /// Returns whether rows are left behind the whole packets.
    [[nodiscard]] DIAMOND_HD bool has_rest() const { return rows % lanes != 0; }
    /// Returns where the packet begins that ends with the last row.
    [[nodiscard]] DIAMOND_HD index_t last() const { return rows - lanes; }
    /// Returns the number that f(i) returns of the last packet, where rows are left, and zeros else.
    template <class F>
    [[nodiscard]] DIAMOND_HD N of_rest(const F& f) const {
        return has_rest() ? f(last()) : N{};
    }
    /// Returns the sum of `rest`, of the rows that are left alone, and of what f(i) returns of whole packets.
    template <class F>
    [[nodiscard]] DIAMOND_HD auto sum(N rest, const F& f) const {
        N total = has_rest() ? number_access<N>::last_of(rest, rows % lanes) : N{};
        for (index_t i = 0; i + lanes <= rows; i += lanes) total += f(i);
        return number_access<N>::total(total);
    }
    /// Writes f(i) of whole packets, and `rest`.
    template <class Real, class F>
    DIAMOND_HD void write(Real* to, N rest, const F& f) const {
        for (index_t i = 0; i + lanes <= rows; i += lanes) number_access<N>::write(f(i), to + i);
        if (has_rest()) number_access<N>::write(rest, to + last());
    }
};

/// Replaces columns of scores s by their softmax p, and where there is a tangent s' writes p' to `p_dot`,
/// which may be s'.
template <class Real>
struct softmax_column {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    Real* s;
    const Real* s_dot; ///< null: there is none
    Real* p_dot;
    index_t rows;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        if (rows < number_access<N>::lanes) return at<Real>(j);
        using access = number_access<N>;
        const packets_of_column<N> packets{rows};
        Real* const p = s + rows * j;
        N most = access::read(p + packets.last());
        for (index_t i = 0; i + access::lanes <= rows; i += access::lanes) {
            const N more = access::read(p + i);
            most = more > most ? more : most;
        }
        const Real largest = access::largest(most);
        const auto power = [=](index_t i) { return access::exp_nonpositive(access::read(p + i) - largest); };
        const N rest = packets.of_rest(power);
        const Real share = Real{1} / packets.sum(rest, [=](index_t i) {
            const N value = power(i);
            access::write(value, p + i);
            return value;
        });
        const N rest_share = rest * share;
        if (s_dot) return add_tangent<N>(j, share, rest_share);
        packets.write(p, rest_share, [=](index_t i) { return N(access::read(p + i) * share); });
    }

private:
    template <class N>
    DIAMOND_HD void add_tangent(index_t j, Real share, N rest) const {
        using access = number_access<N>;
        const packets_of_column<N> packets{rows};
        const index_t begin = rows * j;
        Real* const p = s + begin;
        const Real* const dot = s_dot + begin;
        const N rest_dot = packets.of_rest([=](index_t i) { return access::read(dot + i); });
        const Real mean = packets.sum(N(rest * rest_dot), [=](index_t i) {
            const N value = access::read(p + i) * share;
            access::write(value, p + i);
            return N(value * access::read(dot + i));
        });
        packets.write(p_dot + begin, N(rest * (rest_dot - mean)),
                      [=](index_t i) { return N(access::read(p + i) * (access::read(dot + i) - mean)); });
        if (packets.has_rest()) access::write(rest, p + packets.last());
    }
};

/// Replaces the cotangents a of columns p by those of s, and where there is a tangent s' the cotangents a' of
/// p' by those of s'.
template <class Real>
struct pull_back_softmax {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    const Real *p, *s_dot; ///< s_dot is null where there is no tangent
    Real *a, *a_dot;
    index_t rows;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        if (rows < number_access<N>::lanes) return at<Real>(j);
        const index_t begin = rows * j;
        if (s_dot)
            pull_both<N>(p + begin, s_dot + begin, a + begin, a_dot + begin);
        else
            pull_value<N>(p + begin, a + begin);
    }

private:
    template <class N>
    DIAMOND_HD void pull_value(const Real* share, Real* to) const {
        using access = number_access<N>;
        const packets_of_column<N> packets{rows};
        const auto product = [=](index_t i) { return N(access::read(share + i) * access::read(to + i)); };
        const Real mean = packets.sum(packets.of_rest(product), product);
        const auto moved = [=](index_t i) {
            return N(access::read(share + i) * (access::read(to + i) - mean));
        };
        packets.write(to, packets.of_rest(moved), moved);
    }
    template <class N>
    DIAMOND_HD void pull_both(const Real* share, const Real* dot, Real* to, Real* to_dot) const {
        using access = number_access<N>;
        const packets_of_column<N> packets{rows};
        const auto product = [=](const Real* x) {
            return [=](index_t i) { return N(access::read(share + i) * access::read(x + i)); };
        };
        const auto of_dot = product(dot), of_to_dot = product(to_dot);
        const Real m = packets.sum(packets.of_rest(of_dot), of_dot),
                   m_dot = packets.sum(packets.of_rest(of_to_dot), of_to_dot);
        const auto bent = [=](index_t i) {
            const N moves = access::read(dot + i);
            return N(access::read(to + i) + access::read(to_dot + i) * (moves - m) - moves * m_dot);
        };
        const N rest = packets.of_rest(bent),
                rest_share = packets.of_rest([=](index_t i) { return access::read(share + i); });
        const Real mean = packets.sum(N(rest * rest_share), [=](index_t i) {
            const N value = bent(i);
            access::write(value, to + i);
            return N(value * access::read(share + i));
        });
        packets.write(to, N(rest_share * (rest - mean)),
                      [=](index_t i) { return N(access::read(share + i) * (access::read(to + i) - mean)); });
        const auto moved = [=](index_t i) {
            return N(access::read(share + i) * (access::read(to_dot + i) - m_dot));
        };
        packets.write(to_dot, packets.of_rest(moved), moved);
    }
};

} // namespace diamond::detail
