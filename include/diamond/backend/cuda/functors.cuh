/// The device's own elementwise functors: a thread a number where the CPU has a thread a column.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include <diamond/core/scalar.hpp>
#include <diamond/random/normal.hpp>

namespace diamond::cuda::detail {

template <class Real>
struct gather_number {
    const Real* x;
    const std::int32_t* ancestors;
    Real* out;
    index_t rows;
    __device__ void operator()(index_t i, index_t j) const { out[i + rows * j] = x[i + rows * ancestors[j]]; }
};

/// The normals of block b of column j.
template <class Real>
struct write_normal_block {
    noise_stream stream;
    Real* out;
    index_t rows;
    __device__ void operator()(index_t b, index_t j) const {
        const normal_block<Real> block(stream.words(j, b));
        const index_t first = b * normals_per_block<Real>;
        for (index_t k = 0; k < normals_per_block<Real> && first + k < rows; ++k) out[first + k + rows * j] = block.value[k];
    }
};

struct read_number {
    const double* x;
    __device__ double operator()(index_t j) const { return x[j]; }
};

/// Where no index has been found.
inline constexpr unsigned long long none = ~0ull;

struct reset_found {
    unsigned long long* found;
    __device__ void operator()(index_t) const { *found = none; }
};

/// The least key of an index that satisfies f. `key` is what goes before the index in its upper bits.
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

/// out(i, c) = the sum of columns c width ... of a in row i; added to what is there where `onto`.
template <class Real>
struct add_some_columns {
    const Real* a;
    Real* out;
    index_t rows, columns, width;
    bool onto;
    __device__ void operator()(index_t i, index_t c) const {
        const index_t end = (c + 1) * width < columns ? (c + 1) * width : columns;
        Real sum          = onto ? out[i + rows * c] : Real{0};
        for (index_t j = c * width; j < end; ++j) sum += a[i + rows * j];
        out[i + rows * c] = sum;
    }
};

} // namespace diamond::cuda::detail
