/// The kernels under the vocabulary. Whatever adds up does so in one order, which depends on the extents alone: not on the device, and for
/// what belongs to a column not on the number of columns.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include <diamond/backend/detail/functors.hpp>
#include <diamond/core/batch.hpp>

namespace diamond::cuda::detail {

inline constexpr int block_threads = 256;
inline constexpr int warp_threads  = 32;
inline constexpr index_t tile      = 16 * block_threads; // numbers that a block reduces or scans

__device__ inline index_t first_index() { return static_cast<index_t>(blockIdx.x) * block_threads + threadIdx.x; }
__device__ inline index_t all_threads() { return static_cast<index_t>(gridDim.x) * block_threads; }

/// f(j), a thread each; threads go on by the grid.
template <class F>
__global__ void __launch_bounds__(block_threads) for_each_kernel(index_t count, const F f) {
    for (index_t j = first_index(); j < count; j += all_threads()) f(j);
}
/// f(i, j), neighbours down a column: what lies side by side is read side by side. Only the first element costs a division.
template <class F>
__global__ void __launch_bounds__(block_threads) for_each_element_kernel(index_t rows, index_t size, index_t step_rows, index_t step_columns, const F f) {
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

/// op over what `width` threads side by side hold, to each of them; op commutes. `width` is a power of two up to a warp, or the block; all threads call.
template <class T, class Op>
__device__ T reduce_group(T value, int width, const Op& op) {
    constexpr unsigned everyone = 0xffffffffu;
    constexpr int warps         = block_threads / warp_threads;
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
/// Threads that work on a column together.
inline int column_width(index_t rows) {
    constexpr index_t alone = 8, few = 64, many = 1024; // below: shorter than what a thread, eight threads or a warp take in turns of eight to 32
    return rows <= alone ? 1 : rows <= few ? 8 : rows <= many ? warp_threads : block_threads;
}

/// A thread's place in work on columns by groups of threads; a block's groups go on together, so all of its threads meet every step.
struct column_walk {
    index_t first, step;
    int member, group;
    __device__ explicit column_walk(int width)
        : first(static_cast<index_t>(blockIdx.x) * (block_threads / width)), step(static_cast<index_t>(gridDim.x) * (block_threads / width)),
          member(static_cast<int>(threadIdx.x) % width), group(static_cast<int>(threadIdx.x) / width) {}
};

template <class F>
__global__ void __launch_bounds__(block_threads) column_sums_kernel(index_t rows, index_t columns, int width, const F f, double* out) {
    const column_walk walk(width);
    for (index_t first = walk.first; first < columns; first += walk.step) {
        const index_t j = first + walk.group;
        double sum      = 0.0;
        if (j < columns)
            for (index_t i = walk.member; i < rows; i += width) sum += f(i, j);
        sum = reduce_group(sum, width, add{});
        if (j < columns && walk.member == 0) out[j] = sum;
    }
}

/// diamond::detail::softmax_functor by groups of threads; only the logarithm of the sum where `write` is false.
template <bool write, class Real, class Value>
__global__ void __launch_bounds__(block_threads) softmax_kernel(Value* x, index_t rows, index_t columns, int width, double* log_sums) {
    constexpr Real lowest = static_cast<Real>(-infinity);
    const column_walk walk(width);
    for (index_t first = walk.first; first < columns; first += walk.step) {
        const index_t j = first + walk.group, end = j < columns ? rows : 0;
        Value* column   = x + rows * j;
        Real high       = lowest;
        for (index_t i = walk.member; i < end; i += width) high = diamond::detail::larger{}(high, static_cast<Real>(column[i]));
        high             = reduce_group(high, width, diamond::detail::larger{});
        const Real shift = high == lowest ? Real{0} : high; // -inf - -inf is no number
        double total     = 0.0;
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
        if (j < columns && walk.member == 0) log_sums[j] = diamond::detail::log_of_sum(static_cast<double>(high), total);
    }
}

/// out[b] = op over the b-th tile of f; a tile may be empty.
template <class F, class Op>
__global__ void __launch_bounds__(block_threads) reduce_kernel(index_t count, double start, const F f, const Op op, double* out) {
    const index_t first = blockIdx.x * tile, end = first + tile < count ? first + tile : count;
    double value = start;
    for (index_t j = first + threadIdx.x; j < end; j += block_threads) value = op(value, f(j));
    value = reduce_group(value, block_threads, op);
    if (threadIdx.x == 0) out[blockIdx.x] = value;
}

/// The inclusive scan of what a block's threads hold, and the total; all threads call.
template <class T, class Op>
__device__ T scan_block(T value, const Op& op, T& total) {
    __shared__ T held[block_threads];
    const int t = static_cast<int>(threadIdx.x);
    held[t]     = value;
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
/// Block b scans numbers b * length ... of `in`, what came before being before[b], or `start` where that is null. in may be out.
template <class T, class Op>
__global__ void __launch_bounds__(block_threads) scan_kernel(const T* in, index_t count, index_t length, T start, const T* before, const Op op, T* out) {
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
template <class T, class Op>
__global__ void __launch_bounds__(block_threads) tile_totals_kernel(const T* in, index_t count, T start, const Op op, T* totals) {
    const index_t first = blockIdx.x * tile, end = first + tile < count ? first + tile : count;
    T value = start;
    for (index_t j = first + threadIdx.x; j < end; j += block_threads) value = op(value, in[j]);
    value = reduce_group(value, block_threads, op);
    if (threadIdx.x == 0) totals[blockIdx.x] = value;
}

} // namespace diamond::cuda::detail
