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

/// Reads a packet of numbers, `rest` in place of those from `count` on.
template <class N, class Real>
[[nodiscard]] DIAMOND_HD N read_first(const Real* from, index_t count, Real rest) {
    constexpr index_t lanes = number_access<N>::lanes;
    if (count >= lanes) return number_access<N>::read(from);
    Real numbers[lanes];
    for (index_t l = 0; l < lanes; ++l) numbers[l] = l < count ? from[l] : rest;
    return number_access<N>::read(numbers);
}
/// Writes the first `count` numbers of a packet, or all where it has no more.
template <class N, class Real>
DIAMOND_HD void write_first(N value, Real* to, index_t count) {
    constexpr index_t lanes = number_access<N>::lanes;
    if (count >= lanes) return number_access<N>::write(value, to);
    Real numbers[lanes];
    number_access<N>::write(value, numbers);
    for (index_t l = 0; l < count; ++l) to[l] = numbers[l];
}
/// Returns the sum over the rows of what f(N{}, i, count) returns, which has 0 from `count` on.
template <class Real, class N, class F>
[[nodiscard]] DIAMOND_HD Real sum_of_rows(index_t rows, const F& f) {
    N sum{};
    for (index_t i = 0; i < rows; i += number_access<N>::lanes) sum += f(i, rows - i);
    return number_access<N>::sum(sum);
}

/// Holds where columns of a matrix are: `rows` numbers in each that is `stride` long; `of` of them, and then
/// as many again in every next matrix of `matrix` numbers.
struct column_places {
    index_t rows, stride, of, matrix;
    [[nodiscard]] DIAMOND_HD index_t begin(index_t j) const { return j / of * matrix + j % of * stride; }
};

/// Replaces columns of scores s by their softmax p, and where there is a tangent s' writes p' to `p_dot`,
/// which may be s'.
template <class Real>
struct softmax_column {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    column_places places;
    Real* s;
    const Real* s_dot; ///< null: there is none
    Real* p_dot;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        using access = number_access<N>;
        const index_t begin = places.begin(j), rows = places.rows;
        Real* const p = s + begin;
        N most = read_first<N>(p, rows, p[0]);
        for (index_t i = access::lanes; i < rows; i += access::lanes) {
            const N more = read_first<N>(p + i, rows - i, p[0]);
            most = more > most ? more : most;
        }
        const Real largest = access::largest(most);
        const Real sum = sum_of_rows<Real, N>(rows, [&](index_t i, index_t count) {
            const N value = access::exp_nonpositive(
                read_first<N>(p + i, count, -static_cast<Real>(infinity)) - largest);
            write_first<N>(value, p + i, count);
            return value;
        });
        const Real share = Real{1} / sum;
        if (!s_dot) {
            for (index_t i = 0; i < rows; i += access::lanes)
                write_first<N>(N(read_first<N>(p + i, rows - i, Real{0}) * share), p + i, rows - i);
            return;
        }
        const Real* const dot = s_dot + begin;
        const Real mean = sum_of_rows<Real, N>(rows, [&](index_t i, index_t count) {
            const N value = read_first<N>(p + i, count, Real{0}) * share;
            write_first<N>(value, p + i, count);
            return value * read_first<N>(dot + i, count, Real{0});
        });
        for (index_t i = 0; i < rows; i += access::lanes) {
            const index_t count = rows - i;
            const N value = read_first<N>(p + i, count, Real{0}),
                    moved = read_first<N>(dot + i, count, Real{0}) - mean;
            write_first<N>(N(value * moved), p_dot + begin + i, count);
        }
    }
};

/// Replaces the cotangents a of columns p by those of s, and where there is a tangent s' the cotangents a' of
/// p' by those of s'.
template <class Real>
struct pull_back_softmax {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    column_places places;
    const Real *p, *s_dot; ///< s_dot is null where there is no tangent
    Real *a, *a_dot;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        const index_t begin = places.begin(j), rows = places.rows;
        if (s_dot) add_bend<N>(begin);
        const Real* const share = p + begin;
        Real* const to = a + begin;
        const Real mean = pairing<N>(share, to);
        for (index_t i = 0; i < rows; i += number_access<N>::lanes) {
            const index_t count = rows - i;
            const N value = read_first<N>(to + i, count, Real{0}) - mean;
            write_first<N>(N(read_first<N>(share + i, count, Real{0}) * value), to + i, count);
        }
    }

private:
    /// Writes z in place of a, and the cotangent of s' in place of a'.
    template <class N>
    DIAMOND_HD void add_bend(index_t begin) const {
        const Real *const share = p + begin, *const dot = s_dot + begin;
        Real *const z = a + begin, *const to = a_dot + begin;
        const Real m = pairing<N>(share, dot), m_dot = pairing<N>(share, to);
        for (index_t i = 0; i < places.rows; i += number_access<N>::lanes) {
            const index_t count = places.rows - i;
            const N of_dot = read_first<N>(to + i, count, Real{0}),
                    moves = read_first<N>(dot + i, count, Real{0}),
                    value = read_first<N>(z + i, count, Real{0});
            write_first<N>(N(value + of_dot * (moves - m) - moves * m_dot), z + i, count);
            write_first<N>(N(read_first<N>(share + i, count, Real{0}) * (of_dot - m_dot)), to + i, count);
        }
    }
    template <class N>
    [[nodiscard]] DIAMOND_HD Real pairing(const Real* x, const Real* y) const {
        return sum_of_rows<Real, N>(places.rows, [&](index_t i, index_t count) {
            return N(read_first<N>(x + i, count, Real{0}) * read_first<N>(y + i, count, Real{0}));
        });
    }
};

} // namespace diamond::detail
