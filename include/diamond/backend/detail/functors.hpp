/// This header states the arithmetic of the vocabulary as DIAMOND_HD functors, with one call for each column.
/// Back ends with one thread for each column run them as they are, and the other back ends take their
/// definitions from them.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/random/normal.hpp>

namespace diamond::detail {

/// Returns sum_i f(i, j). It adds independent partial sums, which vectorise, in a fixed order.
template <class F>
DIAMOND_HD double column_sum(const F& f, index_t rows, index_t j) {
    constexpr index_t lanes = 8;
    double partial[lanes] = {};
    index_t i = 0;
    for (; i + lanes <= rows; i += lanes)
        for (index_t l = 0; l < lanes; ++l) partial[l] += f(i + l, j);
    for (index_t l = 0; i + l < rows; ++l) partial[l] += f(i + l, j);
    return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
           ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}
template <class F>
struct column_sum_functor {
    F f;
    index_t rows;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = column_sum(f, rows, j); }
};

/// Returns the larger of two numbers. A NaN wins over every number, so that it is seen.
struct larger {
    template <class Real>
    DIAMOND_HD constexpr Real operator()(Real a, Real b) const {
        return ((b > a) | (b != b)) ? b : a; // has no branch, so that it vectorises
    }
};

/// Calls f(i, j) for all i of a column.
template <class F>
struct each_row {
    F f;
    index_t rows;
    DIAMOND_HD void operator()(index_t j) const {
        for (index_t i = 0; i < rows; ++i) f(i, j);
    }
};

/// Returns high + log(sum) for sum = sum_i exp(x_i - high). If `high` is infinite or NaN, which it is for an
/// empty column (-inf), the result is `high`.
DIAMOND_HD inline double log_of_sum(double high, double sum) {
    return high - high == 0.0 ? high + std::log(sum) : high;
}

/// Replaces a column by its softmax, and writes its log-sum-exp. The softmax is zero if every entry is -inf,
/// and NaN if one is +inf or NaN.
template <class Real, class Context>
struct softmax_functor {
    batch_view<Real, Context> x;
    double* log_sums;
    DIAMOND_HD void operator()(index_t j) const {
        constexpr auto lowest = static_cast<Real>(-infinity);
        Real high = lowest;
        for (const Real value : x.column(j)) high = larger{}(high, value);
        const Real shift = high == lowest ? Real{0} : high; // -inf - -inf would be NaN
        double total = 0.0;
        for (Real& value : x.column(j)) {
            value = std::exp(value - shift);
            total += static_cast<double>(value);
        }
        const auto scale = static_cast<Real>(high == lowest ? 0.0 : 1.0 / total);
        for (Real& value : x.column(j)) value *= scale;
        log_sums[j] = log_of_sum(static_cast<double>(high), total);
    }
};
/// Writes the log-sum-exp of a column.
template <class Context>
struct log_sum_exp_functor {
    batch_view<const double, Context> x;
    double* out;
    DIAMOND_HD void operator()(index_t j) const {
        double high = -infinity, total = 0.0;
        for (const double value : x.column(j)) high = larger{}(high, value);
        for (const double value : x.column(j)) total += std::exp(value - high);
        out[j] = log_of_sum(high, total);
    }
};

/// Writes out(:, j) = x(:, ancestors[j]).
template <class Real, class Context>
struct gather_functor {
    batch_view<const Real, Context> x;
    const std::int32_t* ancestors;
    batch_view<Real, Context> out;
    DIAMOND_HD void operator()(index_t j) const {
        const auto from = x.column(ancestors[j]);
        const auto to = out.column(j);
        for (index_t i = 0; i < to.size(); ++i) to[i] = from[i];
    }
};

/// Writes the normals of column j, as random/normal.hpp defines them.
template <class Real, class Context>
struct normal_functor {
    noise_stream stream;
    batch_view<Real, Context> out;
    DIAMOND_HD void operator()(index_t j) const {
        const auto to = out.column(j);
        for (index_t i = 0; i < to.size(); i += normals_per_block<Real>) {
            const normal_block<Real> block(stream.words(j, i / normals_per_block<Real>));
            for (index_t k = 0; k < normals_per_block<Real> && i + k < to.size(); ++k)
                to[i + k] = block.value[k];
        }
    }
};

/// In out = op(a) b, op(a) has these extents.
struct product_extents {
    index_t rows, depth;
};
/// Returns the extents of op(a).
/// @throws std::invalid_argument unless the extents of op(a), b and out fit.
template <class Real, class Context>
product_extents require_product(transpose op, batch_view<const Real, Context> a,
                                batch_view<const Real, Context> b, batch_view<Real, Context> out) {
    const auto extents = [](index_t rows, index_t columns) {
        return digits_of(rows) + " x " + digits_of(columns);
    };
    const product_extents result = op == transpose::yes ? product_extents{a.columns(), a.rows()}
                                                        : product_extents{a.rows(), a.columns()};
    require(result.depth == b.rows() && result.rows == out.rows() && b.columns() == out.columns(), [&] {
        return "product: op(a) is " + extents(result.rows, result.depth) + ", b is " +
               extents(b.rows(), b.columns()) + ", out is " + extents(out.rows(), out.columns());
    });
    return result;
}
/// Checks the operands of gather.
/// @throws std::invalid_argument unless x and out have the same number of rows.
template <class Real, class Context>
void require_gather(batch_view<const Real, Context> x, batch_view<Real, Context> out) {
    require(x.rows() == out.rows(), [&] {
        return "gather: columns of " + digits_of(x.rows()) + " numbers into columns of " +
               digits_of(out.rows());
    });
}
/// Checks that the value samples of a stream have counters of their own.
/// @throws std::invalid_argument unless their number is in [1, most_samples].
inline void require_stream(const noise_stream& stream) {
    require(stream.samples >= 1 && stream.samples <= noise_stream::most_samples, [&] {
        return "fill_normal: " + digits_of(stream.samples) + " value samples a particle, not 1 to " +
               digits_of(noise_stream::most_samples);
    });
}

} // namespace diamond::detail
