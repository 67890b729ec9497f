/// Linear combinations of batches: the elementwise work of kernels, solvers and readings.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/core/interval.hpp>

namespace diamond {

/// K doubles by value; std::array would not do in device code.
template <int K>
struct numbers {
    double value[static_cast<std::size_t>(K)];
};

/// K coefficients: one set for the batch, or one per column from a K x N table.
template <int K>
class coefficients {
public:
    DIAMOND_HD constexpr coefficients(const numbers<K>& broadcast) : broadcast_(broadcast) {} // NOLINT: numbers are coefficients
    DIAMOND_HD constexpr explicit coefficients(const double* table) : broadcast_{}, table_(table) {}

    [[nodiscard]] DIAMOND_HD constexpr bool   broadcast() const { return table_ == nullptr; }
    [[nodiscard]] DIAMOND_HD constexpr double operator()(int k, index_t column) const { return table_ ? table_[k + K * column] : broadcast_.value[k]; }

private:
    numbers<K>    broadcast_;
    const double* table_ = nullptr;
};

namespace detail {
template <int K, class F>
struct fill_coefficients {
    F       f;
    double* table;
    DIAMOND_HD void operator()(index_t j) const {
        const numbers<K> row = f(j);
        for (int k = 0; k < K; ++k) table[k + K * j] = row.value[k];
    }
};

/// out = sum_k c_k in_k, coefficients by column. A zero coefficient switches its operand off, whatever is there.
template <class Real, int K>
struct combination_by_column {
    coefficients<K> c;
    const Real*     in[static_cast<std::size_t>(K)];
    Real*           out;
    index_t         rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at  = i + rows * j;
        Real          sum = Real{0};
        for (int k = 0; k < K; ++k) {
            const Real factor = static_cast<Real>(c(k, j));
            sum += factor == Real{0} ? Real{0} : factor * in[k][at];
        }
        out[at] = sum;
    }
};

/// out = sum_k c_k in_k, the same coefficients everywhere: the batch is one long vector.
template <class Real, int K>
struct uniform_combination {
    Real        c[static_cast<std::size_t>(K)];
    const Real* in[static_cast<std::size_t>(K)];
    Real*       out;
    DIAMOND_HD void operator()(index_t at) const {
        Real sum = c[0] * in[0][at];
        for (int k = 1; k < K; ++k) sum += c[k] * in[k][at];
        out[at] = sum;
    }
};
template <class Real>
struct set_to_zero {
    Real* out;
    DIAMOND_HD void operator()(index_t at) const { out[at] = Real{0}; }
};

/// Collects the terms of a sum over whole batches, those with a zero coefficient left out, so that each loop has a fixed length.
template <class Real, int Most>
class sum_of_terms {
public:
    void add(double coefficient, const Real* operand) {
        const auto factor = static_cast<Real>(coefficient);
        if (factor == Real{0}) return;
        factor_[count_]    = factor;
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
            uniform_combination<Real, Count> sum{{}, {}, out};
            for (int k = 0; k < Count; ++k) {
                sum.c[k]  = factor_[k];
                sum.in[k] = operand_[k];
            }
            context.for_each(size, sum);
        }
    }

    Real        factor_[static_cast<std::size_t>(Most)]  = {};
    const Real* operand_[static_cast<std::size_t>(Most)] = {};
    int         count_         = 0;
};
} // namespace detail

/// Computes coefficients once on the host where the times they depend on are broadcast, else for each column where the batch is.
template <int K, class Context>
class coefficient_table {
public:
    /// @param f a functor f(j) -> numbers<K>, DIAMOND_HD if the back end is a device.
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

/// out = sum_k c_k in_k over batches of one shape; out may be one of them.
template <class Real, class Context, int K, class... Views>
    requires(sizeof...(Views) == K)
void combine(const coefficients<K>& c, batch_view<Real, Context> out, const Views&... in) {
    (require_same_shape("combine", batch_view<const Real, Context>(in), batch_view<const Real, Context>(out)), ...);
    const Real* const operands[] = {batch_view<const Real, Context>(in).data()...};
    if (c.broadcast()) {
        detail::sum_of_terms<Real, K> sum;
        for (int k = 0; k < K; ++k) sum.add(c(k, 0), operands[k]);
        sum.write(out.context(), out.size(), out.data());
    } else {
        detail::combination_by_column<Real, K> sum{c, {}, out.data(), out.rows()};
        for (int k = 0; k < K; ++k) sum.in[k] = operands[k];
        out.context().for_each(out.rows(), out.columns(), sum);
    }
}

namespace detail {
template <class Real>
struct repeat_columns {
    const Real* in;
    Real*       out;
    index_t     rows, times;
    DIAMOND_HD void operator()(index_t i, index_t j) const { out[i + rows * j] = in[i + rows * (j / times)]; }
};
} // namespace detail

/// out, d x (N M): column j M + i is column j of `in`, d x N.
template <class Real, class Context>
void repeat_columns(batch_view<const Real, Context> in, index_t times, batch_view<Real, Context> out) {
    out.context().for_each(out.rows(), out.columns(), detail::repeat_columns<Real>{in.data(), out.data(), out.rows(), times});
}

} // namespace diamond
