/// The vocabulary over a thrust system, and the back end on thrust's sequential system: plain C++ on the CPU, without Eigen. It is the
/// peer that keeps programs from being secretly Eigen programs, and for that it is plain rather than fast.
///
/// Compile with -DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP where there is no CUDA toolkit: thrust looks for one by default.
#pragma once

#include <algorithm>
#include <cstdint>

#include <thrust/execution_policy.h>
#include <thrust/find.h>
#include <thrust/for_each.h>
#include <thrust/functional.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/scan.h>
#include <thrust/system/cpp/execution_policy.h>
#include <thrust/transform_reduce.h>

#include <diamond/backend/detail/functors.hpp>
#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/backend/detail/functor_lane.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>

namespace diamond {

namespace detail {

/// All of the vocabulary but memory and products, for a `Context` whose policy() names a thrust system. One thread works on a column.
template <class Context>
class thrust_vocabulary {
public:
    template <class F>
    void for_each(index_t count, const F& f) const {
        thrust::for_each(policy(), first(), first() + count, f);
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        for_each(columns, each_row<F>{f, rows});
    }

    template <class F>
    void column_sums(index_t rows, index_t columns, const F& f, double* out) const {
        for_each(columns, column_sum_functor<F>{f, rows, out});
    }
    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        return thrust::transform_reduce(policy(), first(), first() + count, f, 0.0, thrust::plus<double>{});
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        return thrust::transform_reduce(policy(), first(), first() + count, f, -infinity, larger{});
    }

    template <class Real>
    void softmax(batch_view<Real, Context> x, double* log_sums) const {
        for_each(x.columns(), softmax_functor<Real, Context>{x, log_sums});
    }
    void log_sum_exp(batch_view<const double, Context> x, double* out) const {
        for_each(x.columns(), log_sum_exp_functor<Context>{x, out});
    }

    template <class Real>
    void gather(batch_view<const Real, Context> x, const std::int32_t* ancestors, batch_view<Real, Context> out) const {
        require_gather(x, out);
        for_each(out.columns(), gather_functor<Real, Context>{x, ancestors, out});
    }

    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        thrust::inclusive_scan(policy(), in, in + count, out, thrust::plus<std::uint64_t>{});
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        thrust::inclusive_scan(policy(), in, in + count, out, larger{});
    }

    template <class Real>
    void fill_normal(noise_stream stream, batch_view<Real, Context> out) const {
        require_stream(stream);
        for_each(out.columns(), normal_functor<Real, Context>{stream, out});
    }

    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        return thrust::find_if(policy(), first(), first() + count, f) - first();
    }

    /// One lane takes all columns at once.
    [[nodiscard]] static constexpr index_t concurrency() { return 1; }
    [[nodiscard]] static constexpr index_t dense_block_columns() { return index_t{1} << 40; }
    template <class Real>
    void prepare_product(index_t, index_t, index_t) const {}
    template <class Body>
    void lanes(index_t tasks, const Body& body) const {
        functor_lane<Context> lane(*static_cast<const Context*>(this));
        for (index_t task = 0; task < tasks; ++task) body(lane, task, index_t{0});
    }

private:
    [[nodiscard]] auto policy() const { return static_cast<const Context*>(this)->policy(); }
    [[nodiscard]] static auto first() { return thrust::counting_iterator<index_t>(0); }
};

} // namespace detail

namespace thrust_cpu {

namespace detail {

/// A tile of out = op(a) b. Each of its numbers is a sum in a fixed order, which does not depend on the other columns.
template <class Real>
struct product_tile {
    static constexpr index_t rows = 32, columns = 4; // its sums stay in vector registers

    transpose op;
    const Real *a, *b;
    Real* out;
    index_t m, n, depth; // out is m x n

    DIAMOND_HD void operator()(index_t tile) const {
        const index_t down = (m + rows - 1) / rows, i = tile % down * rows, j = tile / down * columns;
        const index_t high = i + rows <= m ? rows : m - i, wide = j + columns <= n ? columns : n - j;
        const Real* column[columns];
        for (index_t c = 0; c < columns; ++c) column[c] = b + depth * (j + (c < wide ? c : 0)); // where there is none, the first again
        if (op == transpose::no) {
            Real sum[columns][rows] = {};
            // A full tile has a constant count of rows, which the compiler unrolls.
            high == rows ? add_axpys(sum, column, i, rows) : add_axpys(sum, column, i, high);
            for (index_t c = 0; c < wide; ++c)
                for (index_t r = 0; r < high; ++r) out[i + r + m * (j + c)] = sum[c][r];
        } else {
            for (index_t r = 0; r < high; ++r) {
                Real sum[columns][rows] = {};
                add_dots(sum, column, a + depth * (i + r));
                for (index_t c = 0; c < wide; ++c) {
                    Real total = 0;
                    for (index_t lane = 0; lane < rows; ++lane) total += sum[c][lane];
                    out[i + r + m * (j + c)] = total;
                }
            }
        }
    }

private:
    DIAMOND_HD void add_axpys(Real (&sum)[columns][rows], const Real* const (&column)[columns], index_t i, index_t high) const {
        for (index_t k = 0; k < depth; ++k)
            for (index_t c = 0; c < columns; ++c)
                for (index_t r = 0; r < high; ++r) sum[c][r] += a[i + r + m * k] * column[c][k];
    }
    /// sum[c][lane] over k = lane, lane + rows, ... of a row of op(a) against four columns of b.
    DIAMOND_HD void add_dots(Real (&sum)[columns][rows], const Real* const (&column)[columns], const Real* row) const {
        index_t k = 0;
        for (; k + rows <= depth; k += rows)
            for (index_t c = 0; c < columns; ++c)
                for (index_t lane = 0; lane < rows; ++lane) sum[c][lane] += row[k + lane] * column[c][k + lane];
        for (index_t c = 0; c < columns; ++c)
            for (index_t lane = 0; k + lane < depth; ++lane) sum[c][lane] += row[k + lane] * column[c][k + lane];
    }
};

} // namespace detail

/// The CPU through thrust's sequential system, one thread. It must outlive the batches made from it.
struct context : diamond::detail::thrust_vocabulary<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust sequential)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::cpp::par; }

    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        return diamond::detail::host_allocate<T>(count);
    }
    template <class T>
    void deallocate(T* p, index_t) const noexcept {
        diamond::detail::host_deallocate(p);
    }
    template <class T>
    void to_host(const T* device, index_t count, T* host) const {
        std::copy_n(device, count, host);
    }
    template <class T>
    void from_host(const T* host, index_t count, T* device) const {
        std::copy_n(host, count, device);
    }
    template <class T>
    void copy(const T* from, index_t count, T* to) const {
        std::copy_n(from, count, to);
    }

    template <class Real>
    void product(transpose op, batch_view<const Real, context> a, batch_view<const Real, context> b, batch_view<Real, context> out) const {
        using tile               = detail::product_tile<Real>;
        const auto [rows, depth] = diamond::detail::require_product(op, a, b, out);
        const index_t tiles      = (rows + tile::rows - 1) / tile::rows * ((b.columns() + tile::columns - 1) / tile::columns);
        for_each(tiles, tile{op, a.data(), b.data(), out.data(), rows, b.columns(), depth});
    }
};

template <class Real>
using batch = diamond::batch<Real, context>;

} // namespace thrust_cpu

} // namespace diamond
