/// cuSOLVER as far as the back end calls it, by Eigen.
#pragma once

#include <diamond/backend/eigen_symmetric.hpp>

#include <emulated_cuda/cublas_v2.h>

enum cusolverStatus_t { CUSOLVER_STATUS_SUCCESS = 0, CUSOLVER_STATUS_NOT_INITIALIZED = 1, CUSOLVER_STATUS_ALLOC_FAILED = 2 };
enum cusolverEigMode_t { CUSOLVER_EIG_MODE_NOVECTOR, CUSOLVER_EIG_MODE_VECTOR };
enum cublasFillMode_t { CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER };
using cusolverDnHandle_t = emulated_cuda::blas*;

inline cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) { return *handle = new emulated_cuda::blas, CUSOLVER_STATUS_SUCCESS; }
inline cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) { return delete handle, CUSOLVER_STATUS_SUCCESS; }
inline cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) { return handle->stream = stream, CUSOLVER_STATUS_SUCCESS; }
inline cusolverStatus_t cusolverDnDsyevd_bufferSize(cusolverDnHandle_t, cusolverEigMode_t, cublasFillMode_t, int n, const double*, int, const double*, int* size) {
    return *size = 2 * n * n, CUSOLVER_STATUS_SUCCESS;
}
inline cusolverStatus_t cusolverDnDsyevd(cusolverDnHandle_t handle, cusolverEigMode_t, cublasFillMode_t, int n, double* a, int, double* values, double*, int, int* info) {
    emulated_cuda::later(handle->stream, [=] {
        *info = 0;
        try {
            diamond::eigen::detail::decompose_symmetric(a, n, values);
        } catch (const std::invalid_argument&) {
            *info = 1;
        }
    });
    return CUSOLVER_STATUS_SUCCESS;
}
