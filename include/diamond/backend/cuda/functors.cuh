/// This header defines elementwise functors for a device, which use one thread for each number where the CPU
/// uses one for each column.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include <diamond/core/scalar.hpp>
#include <diamond/random/normal.hpp>

namespace diamond::cuda::detail {

/// Writes out(i, j) = x(i, ancestors[j]).
template <class Real>
struct gather_number {
    const Real* x;
    const std::int32_t* ancestors;
    Real* out;
    index_t rows;
    __device__ void operator()(index_t i, index_t j) const { out[i + rows * j] = x[i + rows * ancestors[j]]; }
};

/// Writes the normals of block b of column j.
template <class Real>
struct write_normal_block {
    noise_stream stream;
    Real* out;
    index_t rows;
    __device__ void operator()(index_t b, index_t j) const {
        const normal_block<Real> block(stream.words(j, b));
        const index_t first = b * normals_per_block<Real>;
        for (index_t k = 0; k < normals_per_block<Real> && first + k < rows; ++k)
            out[first + k + rows * j] = block.value[k];
    }
};

/// Returns x[j].
struct read_number {
    const double* x;
    __device__ double operator()(index_t j) const { return x[j]; }
};

/// This key says that no index has been found.
inline constexpr unsigned long long none = ~0ull;

/// Sets the key to `none`.
struct reset_found {
    unsigned long long* found;
    __device__ void operator()(index_t) const { *found = none; }
};

/// Keeps the least key of an index that satisfies f. The upper bits of a key are `key`, the lower ones the
/// index.
template <class F>
struct note_least {
    F f;
    unsigned long long key;
    unsigned long long* found;
    __device__ void operator()(index_t j) const {
        const unsigned long long own = key | static_cast<unsigned long long>(j);
        const volatile unsigned long long* const seen = found; // other threads write it
        if (own < *seen && f(j)) atomicMin(found, own);
    }
};

/// Writes into out(i, c) the sum of row i over the columns of a from c width on, `width` of them, and adds
/// what is there if `onto`.
template <class Real>
struct add_some_columns {
    const Real* a;
    Real* out;
    index_t rows, columns, width;
    bool onto;
    __device__ void operator()(index_t i, index_t c) const {
        const index_t end = (c + 1) * width < columns ? (c + 1) * width : columns;
        Real sum = onto ? out[i + rows * c] : Real{0};
        for (index_t j = c * width; j < end; ++j) sum += a[i + rows * j];
        out[i + rows * c] = sum;
    }
};

} // namespace diamond::cuda::detail
