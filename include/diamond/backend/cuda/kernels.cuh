/// This header defines the kernels under the vocabulary. Sums are added in one order, which depends on the
/// extents alone and not on the device; the order of what belongs to one column does not depend on the number
/// of columns either.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include <diamond/backend/detail/functors.hpp>
#include <diamond/core/batch.hpp>

namespace diamond::cuda::detail {

inline constexpr int block_threads = 256;
inline constexpr int warp_threads = 32;
inline constexpr index_t tile = 16 * block_threads; // how many numbers a block reduces or scans

/// Returns the index of the calling thread in the grid.
__device__ inline index_t first_index() {
    return static_cast<index_t>(blockIdx.x) * block_threads + threadIdx.x;
}
/// Returns the number of threads in the grid.
__device__ inline index_t all_threads() { return static_cast<index_t>(gridDim.x) * block_threads; }

/// Calls f(j) with one thread for each j; each thread goes on by the size of the grid.
template <class F>
__global__ void __launch_bounds__(block_threads) for_each_kernel(index_t count, const F f) {
    for (index_t j = first_index(); j < count; j += all_threads()) f(j);
}
/// Calls f(i, j) with neighbouring threads down a column, so that neighbouring numbers are read together.
/// Only the first element of a thread costs a division.
template <class F>
__global__ void __launch_bounds__(block_threads)
    for_each_element_kernel(index_t rows, index_t size, index_t step_rows, index_t step_columns, const F f) {
    index_t k = first_index(), j = k / rows, i = k - j * rows;
    for (; k < size; k += all_threads()) {
        f(i, j);
        i += step_rows;
        j += step_columns;
        if (i >= rows) {
            i -= rows;
            ++j;
        }
    }
}

struct add {
    template <class T>
    DIAMOND_HD T operator()(T a, T b) const {
        return a + b;
    }
};
struct greater_integer {
    template <class T>
    DIAMOND_HD T operator()(T a, T b) const {
        return a > b ? a : b;
    }
};

/// Returns op over the values of `width` neighbouring threads to each of them, where op commutes. `width` is
/// a power of two up to a warp, or the block. All threads of the block must call it.
template <class T, class Op>
__device__ T reduce_group(T value, int width, const Op& op) {
    constexpr unsigned everyone = 0xffffffffu;
    constexpr int warps = block_threads / warp_threads;
    for (int offset = (width < warp_threads ? width : warp_threads) / 2; offset > 0; offset /= 2)
        value = op(value, __shfl_xor_sync(everyone, value, offset));
    if (width > warp_threads) {
        __shared__ T of_warp[warps];
        if (threadIdx.x % warp_threads == 0) of_warp[threadIdx.x / warp_threads] = value;
        __syncthreads();
        value = of_warp[0];
        for (int w = 1; w < warps; ++w) value = op(value, of_warp[w]);
        __syncthreads(); // before of_warp is written again
    }
    return value;
}
/// Returns how many threads work on a column together.
inline int column_width(index_t rows) {
    // Columns up to these lengths are worked on by one thread, by eight threads and by a warp, so that a
    // thread takes at most eight or 32 numbers of a column.
    constexpr index_t alone = 8, few = 64, many = 1024;
    return rows <= alone ? 1 : rows <= few ? 8 : rows <= many ? warp_threads : block_threads;
}

/// This type is the place of a thread in work on columns by groups of threads. The groups of a block go on
/// together, so that all of its threads meet at every step.
struct column_walk {
    index_t first, step;
    int member, group;
    __device__ explicit column_walk(int width)
        : first(static_cast<index_t>(blockIdx.x) * (block_threads / width)),
          step(static_cast<index_t>(gridDim.x) * (block_threads / width)),
          member(static_cast<int>(threadIdx.x) % width),
          group(static_cast<int>(threadIdx.x) / width) {}
};

/// Writes out[j] = sum_i f(i, j) in double.
template <class F>
__global__ void __launch_bounds__(block_threads)
    column_sums_kernel(index_t rows, index_t columns, int width, const F f, double* out) {
    const column_walk walk(width);
    for (index_t first = walk.first; first < columns; first += walk.step) {
        const index_t j = first + walk.group;
        double sum = 0.0;
        if (j < columns)
            for (index_t i = walk.member; i < rows; i += width) sum += f(i, j);
        sum = reduce_group(sum, width, add{});
        if (j < columns && walk.member == 0) out[j] = sum;
    }
}

/// Does what diamond::detail::softmax_functor does, with groups of threads. If `write` is false, it only
/// writes the logarithms of the sums.
template <bool write, class Real, class Value>
__global__ void __launch_bounds__(block_threads)
    softmax_kernel(Value* x, index_t rows, index_t columns, int width, double* log_sums) {
    constexpr Real lowest = static_cast<Real>(-infinity);
    const column_walk walk(width);
    for (index_t first = walk.first; first < columns; first += walk.step) {
        const index_t j = first + walk.group, end = j < columns ? rows : 0;
        Value* column = x + rows * j;
        Real high = lowest;
        for (index_t i = walk.member; i < end; i += width)
            high = diamond::detail::larger{}(high, static_cast<Real>(column[i]));
        high = reduce_group(high, width, diamond::detail::larger{});
        const Real shift = high == lowest ? Real{0} : high; // -inf - -inf would be NaN
        double total = 0.0;
        for (index_t i = walk.member; i < end; i += width) {
            const Real term = std::exp(column[i] - shift);
            if constexpr (write) column[i] = term;
            total += static_cast<double>(term);
        }
        total = reduce_group(total, width, add{});
        if constexpr (write) {
            const auto scale = static_cast<Real>(high == lowest ? 0.0 : 1.0 / total);
            for (index_t i = walk.member; i < end; i += width) column[i] *= scale;
        }
        if (j < columns && walk.member == 0)
            log_sums[j] = diamond::detail::log_of_sum(static_cast<double>(high), total);
    }
}

/// Writes out[b] = op over tile b of f. A tile may be empty.
template <class F, class Op>
__global__ void __launch_bounds__(block_threads)
    reduce_kernel(index_t count, double start, const F f, const Op op, double* out) {
    const index_t first = blockIdx.x * tile, end = first + tile < count ? first + tile : count;
    double value = start;
    for (index_t j = first + threadIdx.x; j < end; j += block_threads) value = op(value, f(j));
    value = reduce_group(value, block_threads, op);
    if (threadIdx.x == 0) out[blockIdx.x] = value;
}

/// Returns the inclusive scan of the values of a block's threads, and the total. All threads of the block
/// must call it.
template <class T, class Op>
__device__ T scan_block(T value, const Op& op, T& total) {
    __shared__ T held[block_threads];
    const int t = static_cast<int>(threadIdx.x);
    held[t] = value;
    __syncthreads();
    for (int offset = 1; offset < block_threads; offset *= 2) {
        if (t >= offset) value = op(held[t - offset], value);
        __syncthreads();
        held[t] = value;
        __syncthreads();
    }
    total = held[block_threads - 1];
    __syncthreads(); // before held is written again
    return value;
}
/// Scans numbers b * length ... of `in` by block b, where before[b - 1] precedes them, or `start` if there is
/// nothing before. `out` may be `in`.
template <class T, class Op>
__global__ void __launch_bounds__(block_threads)
    scan_kernel(const T* in, index_t count, index_t length, T start, const T* before, const Op op, T* out) {
    const index_t first = blockIdx.x * length, end = first + length < count ? first + length : count;
    T carry = before && blockIdx.x > 0 ? before[blockIdx.x - 1] : start;
    for (index_t at = first; at < end; at += block_threads) {
        const index_t j = at + threadIdx.x;
        T total;
        const T value = scan_block(j < end ? in[j] : start, op, total);
        if (j < end) out[j] = op(carry, value);
        carry = op(carry, total);
    }
}
/// Writes totals[b] = op over tile b of `in`.
template <class T, class Op>
__global__ void __launch_bounds__(block_threads)
    tile_totals_kernel(const T* in, index_t count, T start, const Op op, T* totals) {
    const index_t first = blockIdx.x * tile, end = first + tile < count ? first + tile : count;
    T value = start;
    for (index_t j = first + threadIdx.x; j < end; j += block_threads) value = op(value, in[j]);
    value = reduce_group(value, block_threads, op);
    if (threadIdx.x == 0) totals[blockIdx.x] = value;
}

} // namespace diamond::cuda::detail
