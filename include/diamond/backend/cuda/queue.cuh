/// Operations of several kernels each.
#pragma once

#include <algorithm>
#include <utility>

#include <diamond/backend/cuda/functors.cuh>
#include <diamond/backend/cuda/kernels.cuh>
#include <diamond/backend/cuda/state.cuh>

namespace diamond::cuda::detail {

/// How many tiles there are; one even of nothing.
inline index_t tiles(index_t count) { return std::max<index_t>((count + tile - 1) / tile, 1); }

/// *out = op over f(0) ... f(count - 1): tiles to one number each, then these, until one tile is left.
template <class F, class Op>
void queue_reduction(context_state& state, index_t count, double start, const F& f, const Op& op, double* out) {
    index_t blocks  = tiles(count);
    double* partial = blocks > 1 ? state.scratch<double>(2 * blocks) : nullptr; // a level beside the next
    double* next    = blocks > 1 ? partial + blocks : nullptr;
    state.launch("a reduction", blocks, reduce_kernel<F, Op>, count, start, f, op, blocks > 1 ? partial : out);
    while (blocks > 1) {
        count  = blocks;
        blocks = tiles(count);
        state.launch("a reduction", blocks, reduce_kernel<read_number, Op>, count, start, read_number{partial}, op, blocks > 1 ? next : out);
        std::swap(partial, next);
    }
}

/// The inclusive scan: the tiles' totals, their scan, and each tile's from there. in may be out.
template <class T, class Op>
void queue_scan(context_state& state, const T* in, index_t count, T start, const Op& op, T* out) {
    if (count == 0) return;
    const index_t blocks = tiles(count);
    T* const totals      = blocks > 1 ? state.scratch<T>(blocks) : nullptr;
    if (blocks > 1) {
        state.launch("a scan", blocks, tile_totals_kernel<T, Op>, in, count, start, op, totals);
        state.launch("a scan", index_t{1}, scan_kernel<T, Op>, static_cast<const T*>(totals), blocks, blocks, start, static_cast<const T*>(nullptr), op, totals);
    }
    state.launch("a scan", blocks, scan_kernel<T, Op>, in, count, tile, start, static_cast<const T*>(totals), op, out);
}

} // namespace diamond::cuda::detail
