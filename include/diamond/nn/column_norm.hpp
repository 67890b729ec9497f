/// This header normalises columns, with a tangent beside the value and the gradient through both: LayerNorm
/// and RMSNorm (eq. column-norm), (eq. column-norm-cotangent).
///
/// Of a column x of n numbers, u = r (x - mean) with r = 1/sqrt(variance + epsilon), and y = g u + b; RMSNorm
/// has no mean and no b, and its variance is the mean of squares. Write P x for x - mean, or for x itself in
/// RMSNorm, and <a> for the mean of a column. A tangent x' gives u' = r (P x' - u <u x'>) and y' = g u'. Back
/// go, given the cotangents k of y and k' of y', with c = g k and c' = g k':
///   g gets k u + k' u', and b gets k;
///   x' gets r (P c' - u <u c'>);
///   x gets r (P c - u <u c>) - r^2 ((<c' P x'> - 3 <u c'> <u x'>) u + <u x'> P c' + <u c'> P x').
/// One call does the work on a column, so that no bit depends on the columns beside it or on threads.
#pragma once

#include <cmath>
#include <cstddef>

#include <diamond/core/dense.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/packed.hpp>

namespace diamond::detail {

/// Holds several numbers of the type N, one for each of as many sums.
template <class N, std::size_t Count>
struct summands {
    N at[Count];
};
/// Calls body(N{}, i) for the rows of a column by packets N, and body(Real{}, i) for those that are left.
template <class Real, class N, class Body>
[[gnu::always_inline]] DIAMOND_HD inline void along_column(index_t rows, const Body& body) {
    index_t i = 0;
    constexpr index_t lanes = number_access<N>::lanes;
    for (; i + lanes <= rows; i += lanes) body(N{}, i);
    if constexpr (lanes > 1)
        for (; i < rows; ++i) body(Real{}, i);
}
/// Returns the means over the rows of the numbers that f(N{}, i) returns. A few sums of each run side by
/// side, since one addition waits for another.
template <class Real, class N, std::size_t Count, class F>
[[nodiscard, gnu::always_inline]] DIAMOND_HD inline summands<Real, Count> means_over(index_t rows,
                                                                                     const F& f) {
    constexpr index_t lanes = number_access<N>::lanes;
    constexpr std::size_t copies = Count >= 4 ? 1 : 4 / Count;
    constexpr index_t stride = static_cast<index_t>(copies) * lanes;
    N sums[copies][Count] = {};
    index_t i = 0;
    for (; i + stride <= rows; i += stride)
        for (std::size_t copy = 0; copy < copies; ++copy) {
            const auto numbers = f(N{}, i + static_cast<index_t>(copy) * lanes);
            for (std::size_t s = 0; s < Count; ++s) sums[copy][s] += numbers.at[s];
        }
    for (; lanes > 1 && i + lanes <= rows; i += lanes) {
        const auto numbers = f(N{}, i);
        for (std::size_t s = 0; s < Count; ++s) sums[0][s] += numbers.at[s];
    }
    summands<Real, Count> result{};
    for (; i < rows; ++i) {
        const auto numbers = f(Real{}, i);
        for (std::size_t s = 0; s < Count; ++s) result.at[s] += numbers.at[s];
    }
    const Real share = Real{1} / static_cast<Real>(rows);
    for (std::size_t s = 0; s < Count; ++s) {
        for (std::size_t copy = 1; copy < copies; ++copy) sums[0][s] += sums[copy][s];
        result.at[s] = (result.at[s] + number_access<N>::total(sums[0][s])) * share;
    }
    return result;
}

/// Holds mean and r of a column, and gives u. The mean is 0 in RMSNorm.
template <class Real>
struct standardised {
    const Real* x;
    Real mean, inverse_deviation;

    /// Computes both, by packets N.
    template <class N>
    [[nodiscard, gnu::always_inline]] static DIAMOND_HD standardised of(const Real* x, index_t rows,
                                                                        normalisation kind, Real epsilon) {
        Real mean = 0;
        if (kind == normalisation::layer)
            mean = means_over<Real, N, 1>(rows, [&](auto number, index_t i) {
                       using M = decltype(number);
                       return summands<M, 1>{{number_access<M>::read(x + i)}};
                   }).at[0];
        const auto variance = means_over<Real, N, 1>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            const M rest = number_access<M>::read(x + i) - mean;
            return summands<M, 1>{{rest * rest}};
        });
        return {x, mean, Real{1} / std::sqrt(variance.at[0] + epsilon)};
    }
    template <class N>
    [[nodiscard]] DIAMOND_HD N at(index_t i) const {
        return (number_access<N>::read(x + i) - mean) * inverse_deviation;
    }
};

/// Writes y of a column, and y' where there are two parts. y may be x.
template <class Real>
struct normalise_column {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    column_norm norm;
    const Real *gain, *bias; ///< bias is null in RMSNorm
    const Real* x;
    Real* y;
    index_t rows, columns, parts;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        const auto u = standardised<Real>::template of<N>(x + rows * j, rows, norm.kind,
                                                          static_cast<Real>(norm.epsilon));
        if (parts == 2) write_tangent<N>(u, x + rows * (columns + j), y + rows * (columns + j));
        Real* const to = y + rows * j;
        if (bias)
            along_column<Real, N>(rows, [&](auto number, index_t i) {
                using access = number_access<decltype(number)>;
                access::write(access::read(gain + i) * u.template at<decltype(number)>(i) +
                                  access::read(bias + i),
                              to + i);
            });
        else
            along_column<Real, N>(rows, [&](auto number, index_t i) {
                using access = number_access<decltype(number)>;
                access::write(access::read(gain + i) * u.template at<decltype(number)>(i), to + i);
            });
    }

private:
    template <class N>
    DIAMOND_HD void write_tangent(const standardised<Real>& u, const Real* x_dot, Real* to) const {
        const auto means = means_over<Real, N, 2>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            const M dot = number_access<M>::read(x_dot + i);
            return summands<M, 2>{{dot, u.template at<M>(i) * dot}};
        });
        const Real mean = norm.kind == normalisation::layer ? means.at[0] : Real{0}, along = means.at[1];
        along_column<Real, N>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            using access = number_access<M>;
            const M moved = access::read(x_dot + i) - mean - u.template at<M>(i) * along;
            access::write(access::read(gain + i) * moved * u.inverse_deviation, to + i);
        });
    }
};

/// Given k, and k' behind it where there are two parts, writes the cotangents of x and x' to `to`, or adds
/// them where `add` says so, and leaves in place of k what the columns add to the gradient of g. `to` may be
/// x.
template <class Real>
struct pull_back_column {
    using real = Real;
    static constexpr index_t relative_cost = 128;
    column_norm norm;
    const Real *gain, *x;
    Real *k, *to;
    bool add;
    index_t rows, columns, parts;

    template <class N>
    DIAMOND_HD void at(index_t j) const {
        const auto u = standardised<Real>::template of<N>(x + rows * j, rows, norm.kind,
                                                          static_cast<Real>(norm.epsilon));
        if (parts == 2)
            pull_both<N>(u, rows * j, rows * (columns + j));
        else
            pull_value<N>(u, rows * j);
    }

private:
    /// Of the column at `value`, without a tangent.
    template <class N>
    DIAMOND_HD void pull_value(const standardised<Real>& u, index_t value) const {
        Real *const k_value = k + value, *const to_value = to + value;
        const auto means = means_over<Real, N, 2>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            const M c = pulled<M>(k_value, i);
            return summands<M, 2>{{c, u.template at<M>(i) * c}};
        });
        const Real mean = centre(means.at[0]), along = means.at[1];
        along_column<Real, N>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            const M unit = u.template at<M>(i), of_y = number_access<M>::read(k_value + i),
                    c = pulled<M>(k_value, i);
            put<M>((c - mean - unit * along) * u.inverse_deviation, to_value + i);
            number_access<M>::write(M(of_y * unit), k_value + i);
        });
    }
    /// Of the column at `value` and its tangent at `tangent`.
    template <class N>
    DIAMOND_HD void pull_both(const standardised<Real>& u, index_t value, index_t tangent) const {
        Real *const k_value = k + value, *const to_value = to + value, *const to_dot = to + tangent;
        const Real *const k_dot = k + tangent, *const x_dot = x + tangent;
        const auto means = means_over<Real, N, 7>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            const M unit = u.template at<M>(i), c = pulled<M>(k_value, i), c_dot = pulled<M>(k_dot, i),
                    dot = number_access<M>::read(x_dot + i);
            return summands<M, 7>{{c, c_dot, dot, unit * c, unit * c_dot, unit * dot, c_dot * dot}};
        });
        const Real c_mean = centre(means.at[0]), c_dot_mean = centre(means.at[1]),
                   dot_mean = centre(means.at[2]), u_c = means.at[3], u_c_dot = means.at[4],
                   u_dot = means.at[5], r = u.inverse_deviation,
                   bend = means.at[6] - c_dot_mean * dot_mean - Real{3} * u_c_dot * u_dot;
        along_column<Real, N>(rows, [&](auto number, index_t i) {
            using M = decltype(number);
            using access = number_access<M>;
            const M unit = u.template at<M>(i), of_y = access::read(k_value + i),
                    of_y_dot = access::read(k_dot + i), c = pulled<M>(k_value, i) - c_mean,
                    c_dot = pulled<M>(k_dot, i) - c_dot_mean, dot = access::read(x_dot + i) - dot_mean;
            const M of_x = (c - unit * u_c) * r - (unit * bend + c_dot * u_dot + dot * u_c_dot) * (r * r),
                    of_x_dot = (c_dot - unit * u_c_dot) * r,
                    of_gain = of_y * unit + of_y_dot * (dot - unit * u_dot) * r;
            put<M>(of_x, to_value + i);
            put<M>(of_x_dot, to_dot + i);
            access::write(of_gain, k_value + i);
        });
    }
    /// Returns g times the cotangents at `from`.
    template <class M>
    [[nodiscard]] DIAMOND_HD M pulled(const Real* from, index_t i) const {
        return number_access<M>::read(gain + i) * number_access<M>::read(from + i);
    }
    /// Returns what P takes from a column of this mean.
    [[nodiscard]] DIAMOND_HD Real centre(Real mean) const {
        return norm.kind == normalisation::layer ? mean : Real{0};
    }
    template <class M>
    DIAMOND_HD void put(M number, Real* at) const {
        number_access<M>::write(add ? M(number + number_access<M>::read(at)) : number, at);
    }
};

/// Writes what a norm makes of `columns` columns x, and of their tangents behind them where there are two
/// parts, to y, which may be x.
template <class Lane, class Real>
void normalise(Lane& lane, const column_norm& norm, const Real* theta, const Real* x, Real* y, index_t rows,
               index_t columns, index_t parts) {
    const Real* const gain = theta + norm.offset;
    lane.for_each(index_t{1}, columns,
                  packed_column{normalise_column<Real>{.norm = norm,
                                                       .gain = gain,
                                                       .bias = norm.kind == normalisation::layer ? gain + rows
                                                                                                 : nullptr,
                                                       .x = x,
                                                       .y = y,
                                                       .rows = rows,
                                                       .columns = columns,
                                                       .parts = parts}});
}
/// Pulls the cotangents k of its outputs, which it uses up, back to `to`, or adds them there; it adds the
/// gradient of the norm's parameters to `gradient`, that of all parameters, unless that is null.
template <class Lane, class Real>
void pull_back_norm(Lane& lane, const column_norm& norm, const Real* theta, const Real* x, Real* k, Real* to,
                    bool add, index_t rows, index_t columns, index_t parts, Real* gradient) {
    if (gradient && norm.kind == normalisation::layer)
        lane.add_columns(static_cast<const Real*>(k), rows, columns, gradient + norm.offset + rows);
    lane.for_each(index_t{1}, columns,
                  packed_column{pull_back_column<Real>{.norm = norm,
                                                       .gain = theta + norm.offset,
                                                       .x = x,
                                                       .k = k,
                                                       .to = to,
                                                       .add = add,
                                                       .rows = rows,
                                                       .columns = columns,
                                                       .parts = parts}});
    if (gradient) lane.add_columns(static_cast<const Real*>(k), rows, columns, gradient + norm.offset);
}

} // namespace diamond::detail
