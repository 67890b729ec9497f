/// This file has linear combinations of batches, sum_k c_k x_k, whose coefficients are numbers or differ from
/// column to column.
///
/// Lines of mathematics with constant coefficients, assign(out, a * x + b * y), are lowered to `combine`
/// (core/linear_sum.hpp).
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/core/interval.hpp>

namespace diamond {

/// Holds K doubles by value; device code cannot use std::array.
template <int K>
struct numbers {
    /// The numbers c_0 ... c_{K-1}, the k-th for the k-th of K batches.
    double value[static_cast<std::size_t>(K)];
};

/// Holds K coefficients: one set for the whole batch, or one for each column, in a K x N table that is in the
/// batch's memory and not owned.
template <int K>
class coefficients {
public:
    /// One set of K coefficients, held by value, which serves all columns of a batch.
    DIAMOND_HD constexpr coefficients(const numbers<K>& broadcast)
        : broadcast_(broadcast) {} // NOLINT: numbers are coefficients
    /// The coefficients of column j are table[K j] ... table[K j + K - 1], in the batch's memory.
    DIAMOND_HD constexpr explicit coefficients(const double* table) : broadcast_{}, table_(table) {}

    /// Says whether one set of coefficients serves all columns.
    [[nodiscard]] DIAMOND_HD constexpr bool broadcast() const { return table_ == nullptr; }
    /// Returns the k-th coefficient of a column, 0 <= k < K.
    [[nodiscard]] DIAMOND_HD constexpr double operator()(int k, index_t column) const {
        return table_ ? table_[k + K * column] : broadcast_.value[k];
    }

private:
    numbers<K> broadcast_;
    const double* table_ = nullptr;
};

namespace detail {
/// Writes f(j), K numbers, into column j of a K x N table.
template <int K, class F>
struct fill_coefficients {
    F f;
    double* table;
    DIAMOND_HD void operator()(index_t j) const {
        const numbers<K> row = f(j);
        for (int k = 0; k < K; ++k) table[k + K * j] = row.value[k];
    }
};

/// Writes out(i, j) = sum_k c_k(j) in_k(i, j), in the number type of the batches. A zero coefficient switches
/// its operand off, even where that is NaN.
template <class Real, int K>
struct combination_by_column {
    coefficients<K> c;
    const Real* in[static_cast<std::size_t>(K)];
    Real* out;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        Real sum = Real{0};
        for (int k = 0; k < K; ++k) {
            const Real factor = static_cast<Real>(c(k, j));
            sum += factor == Real{0} ? Real{0} : factor * in[k][at];
        }
        out[at] = sum;
    }
};

/// Writes out = sum_k c_k in_k with coefficients that are the same everywhere, so that the batch is one long
/// vector.
template <class Real, int K>
struct uniform_combination {
    Real c[static_cast<std::size_t>(K)];
    const Real* in[static_cast<std::size_t>(K)];
    Real* out;
    DIAMOND_HD void operator()(index_t at) const {
        Real sum = c[0] * in[0][at];
        for (int k = 1; k < K; ++k) sum += c[k] * in[k][at];
        out[at] = sum;
    }
};
/// Writes 0.
template <class Real>
struct set_to_zero {
    Real* out;
    DIAMOND_HD void operator()(index_t at) const { out[at] = Real{0}; }
};

/// Collects the terms of a sum over whole batches and leaves out those with a zero coefficient; the number of
/// the others is a template argument of the loop that is run, so that its length is fixed.
template <class Real, int Most>
class sum_of_terms {
public:
    void add(double coefficient, const Real* operand) {
        const auto factor = static_cast<Real>(coefficient);
        if (factor == Real{0}) return;
        factor_[count_] = factor;
        operand_[count_++] = operand;
    }
    template <class Context>
    void write(const Context& context, index_t size, Real* out) const {
        write<Most>(context, size, out);
    }

private:
    template <int Count, class Context>
    void write(const Context& context, index_t size, Real* out) const {
        if constexpr (Count == 0) {
            context.for_each(size, set_to_zero<Real>{out});
        } else if (count_ < Count) {
            write<Count - 1>(context, size, out);
        } else {
            uniform_combination<Real, Count> sum{.c = {}, .in = {}, .out = out};
            for (int k = 0; k < Count; ++k) {
                sum.c[k] = factor_[k];
                sum.in[k] = operand_[k];
            }
            context.for_each(size, sum);
        }
    }

    Real factor_[static_cast<std::size_t>(Most)] = {};
    const Real* operand_[static_cast<std::size_t>(Most)] = {};
    int count_ = 0;
};
} // namespace detail

/// Computes coefficients that depend on times: once, on the host, where the times are broadcast, else for
/// each column in the memory of the batch. It owns the table, which it allocates only when that grows.
template <int K, class Context>
class coefficient_table {
public:
    /// @param f a functor f(j) -> numbers<K>, which is DIAMOND_HD where the back end is a device. @returns
    /// coefficients that are valid until the next call.
    template <class F>
    coefficients<K> operator()(const Context& context, bool broadcast, index_t columns, const F& f) {
        if (broadcast) return coefficients<K>(f(index_t{0}));
        table_.resize(context, K, columns);
        context.for_each(columns, detail::fill_coefficients<K, F>{f, table_.data()});
        return coefficients<K>(table_.data());
    }

private:
    scratch<double, Context> table_;
};

/// Writes out = sum_k c_k in_k over K batches of one shape, computed in their number type; out may be one of
/// them. A zero coefficient switches its operand off, even where that is NaN. @throws std::invalid_argument
/// with both shapes where they differ.
template <class Real, class Context, int K, class... Views>
    requires(sizeof...(Views) == K)
void combine(const coefficients<K>& c, batch_view<Real, Context> out, const Views&... in) {
    (require_same_shape("combine", batch_view<const Real, Context>(in), batch_view<const Real, Context>(out)),
     ...);
    const Real* const operands[] = {batch_view<const Real, Context>(in).data()...};
    if (c.broadcast()) {
        detail::sum_of_terms<Real, K> sum;
        for (int k = 0; k < K; ++k) sum.add(c(k, 0), operands[k]);
        sum.write(out.context(), out.size(), out.data());
    } else {
        detail::combination_by_column<Real, K> sum{.c = c, .in = {}, .out = out.data(), .rows = out.rows()};
        for (int k = 0; k < K; ++k) sum.in[k] = operands[k];
        out.context().for_each(out.rows(), out.columns(), sum);
    }
}

namespace detail {
/// Writes to(i, j) = from(i, j / times).
template <class From, class To>
struct repeat_columns {
    From from;
    To to;
    index_t times;
    DIAMOND_HD void operator()(index_t i, index_t j) const { to(i, j) = from(i, j / times); }
};
} // namespace detail

/// Writes each column of `in`, d x N, M = times times: column j M + m of out, d x (N M), is column j of `in`.
template <class Value, class Context>
void repeat_columns(batch_view<const Value, Context> in, index_t times, batch_view<Value, Context> out) {
    using from = batch_view<const Value, Context>;
    using to = batch_view<Value, Context>;
    out.context().for_each(out.rows(), out.columns(),
                           detail::repeat_columns<from, to>{.from = in, .to = out, .times = times});
}

namespace detail {
template <class From, class To>
struct sum_columns {
    From from;
    To to;
    index_t times;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = 0.0;
        for (index_t m = 0; m < times; ++m) sum += static_cast<double>(from(i, j * times + m));
        to(i, j) = static_cast<typename To::value_type>(sum);
    }
};
} // namespace detail

/// The adjoint of repeat_columns: column j of `out`, d x N, is the sum of columns j M ... j M + M - 1 of
/// `in`, d x (N M), M = times, in double and rounded once.
template <class Value, class Other, class Context>
void sum_columns(batch_view<const Value, Context> in, index_t times, batch_view<Other, Context> out) {
    using from = batch_view<const Value, Context>;
    using to = batch_view<Other, Context>;
    out.context().for_each(out.rows(), out.columns(),
                           detail::sum_columns<from, to>{.from = in, .to = out, .times = times});
}

} // namespace diamond
