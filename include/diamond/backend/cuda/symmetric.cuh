/// This header decomposes symmetric matrices with cuSOLVER.
#pragma once

#include <limits>

#include <cusolverDn.h>

#include <diamond/backend/cuda/state.cuh>
#include <diamond/core/errors.hpp>

namespace diamond::cuda::detail {

inline void check(cusolverStatus_t status, const char* call) {
    if (status == CUSOLVER_STATUS_SUCCESS) return;
    const char* advice = status == CUSOLVER_STATUS_ALLOC_FAILED || status == CUSOLVER_STATUS_NOT_INITIALIZED
                           ? "cuSOLVER found no memory for itself: free memory that another program holds."
                           : "See the documentation of cusolverStatus_t; an earlier kernel may have failed.";
    throw error(call, static_cast<int>(status), "a cusolverStatus_t", "of cuSOLVER", advice);
}

/// Replaces the symmetric d x d matrix at `a` by its orthonormal eigenvectors; values[k], in ascending order,
/// is the eigenvalue of column k. It is meant for parameters: it makes a handle, allocates workspace, and
/// waits.
/// @throws std::invalid_argument if d is beyond 32768 or the solver does not converge.
inline void decompose_symmetric(context_state& state, double* a, index_t d, double* values) {
    if (d == 0) return;
    // The workspace of such a matrix, 2 d^2 numbers and more, still has a size that an int can count.
    constexpr index_t most = 32768;
    require(d <= most, [&] {
        return "a symmetric matrix of " + digits_of(d) + " rows: cuSOLVER takes " + digits_of(most) +
               " at most";
    });
    const device_guard guard(state.device());
    const int n = static_cast<int>(d);
    owned<cusolverDnHandle_t, cusolverDnDestroy> handle;
    check(cusolverDnCreate(handle.receive()), "cusolverDnCreate");
    check(cusolverDnSetStream(handle.get(), state.stream()), "cusolverDnSetStream");
    int size = 0;
    check(cusolverDnDsyevd_bufferSize(handle.get(), CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n, a, n,
                                      values, &size),
          "cusolverDnDsyevd_bufferSize");
    device_buffer buffer(state.own().memory), outcome(state.own().memory);
    int* const info = outcome.buffer<int>(1);
    check(cusolverDnDsyevd(handle.get(), CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n, a, n, values,
                           buffer.buffer<double>(size), size, info),
          "cusolverDnDsyevd");
    require(state.number(info) == 0,
            "a symmetric matrix has no eigenvalues that a solver finds: are all its entries numbers?");
}

} // namespace diamond::cuda::detail
