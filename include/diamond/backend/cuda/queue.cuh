/// This header defines operations that consist of several kernels.
#pragma once

#include <algorithm>
#include <utility>

#include <diamond/backend/cuda/functors.cuh>
#include <diamond/backend/cuda/kernels.cuh>
#include <diamond/backend/cuda/state.cuh>

namespace diamond::cuda::detail {

/// Returns the number of tiles, which is at least one.
inline index_t tiles(index_t count) { return std::max<index_t>((count + tile - 1) / tile, 1); }

/// Writes *out = op over f(0) ... f(count - 1). Each tile is reduced to one number, and so are these numbers,
/// until one tile is left.
template <class F, class Op>
void queue_reduction(context_state& state, index_t count, double start, const F& f, const Op& op,
                     double* out) {
    index_t blocks = tiles(count);
    // Two levels lie side by side.
    double* partial = blocks > 1 ? state.scratch<double>(2 * blocks) : nullptr;
    double* next = blocks > 1 ? partial + blocks : nullptr;
    state.launch("a reduction", blocks, reduce_kernel<F, Op>, count, start, f, op,
                 blocks > 1 ? partial : out);
    while (blocks > 1) {
        count = blocks;
        blocks = tiles(count);
        state.launch("a reduction", blocks, reduce_kernel<read_number, Op>, count, start,
                     read_number{partial}, op, blocks > 1 ? next : out);
        std::swap(partial, next);
    }
}

/// Writes the inclusive scan: it computes the totals of the tiles, scans them, and then scans each tile from
/// there. `out` may be `in`.
template <class T, class Op>
void queue_scan(context_state& state, const T* in, index_t count, T start, const Op& op, T* out) {
    if (count == 0) return;
    const index_t blocks = tiles(count);
    T* const totals = blocks > 1 ? state.scratch<T>(blocks) : nullptr;
    if (blocks > 1) {
        state.launch("a scan", blocks, tile_totals_kernel<T, Op>, in, count, start, op, totals);
        state.launch("a scan", index_t{1}, scan_kernel<T, Op>, static_cast<const T*>(totals), blocks, blocks,
                     start, static_cast<const T*>(nullptr), op, totals);
    }
    state.launch("a scan", blocks, scan_kernel<T, Op>, in, count, tile, start, static_cast<const T*>(totals),
                 op, out);
}

} // namespace diamond::cuda::detail
