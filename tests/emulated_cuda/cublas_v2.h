/// cuBLAS as far as the back end calls it, by Eigen.
#pragma once

#include <Eigen/Core>

#include <emulated_cuda/cuda_runtime.h>

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_INITIALIZED = 1, CUBLAS_STATUS_ALLOC_FAILED = 3, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cublasMath_t { CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH };
namespace emulated_cuda {
struct blas {
    cudaStream_t stream = nullptr;
};
/// out = op_a(a) op_b(b) + beta out, at once.
template <class Real>
void multiply(cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m, std::int64_t n, std::int64_t k, const Real* a, std::int64_t lda, const Real* b, std::int64_t ldb,
              Real beta, Real* c, std::int64_t ldc) {
    using matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
    using in     = Eigen::Map<const matrix, 0, Eigen::OuterStride<>>;
    const auto read = [](cublasOperation_t op, const Real* p, std::int64_t rows, std::int64_t columns, std::int64_t lead) -> matrix {
        if (op == CUBLAS_OP_T) return in(p, columns, rows, Eigen::OuterStride<>(lead)).transpose();
        return in(p, rows, columns, Eigen::OuterStride<>(lead));
    };
    Eigen::Map<matrix, 0, Eigen::OuterStride<>> out(c, m, n, Eigen::OuterStride<>(ldc));
    const matrix product = read(op_a, a, m, k, lda) * read(op_b, b, k, n, ldb);
    if (beta == Real{0})
        out = product;
    else
        out = beta * out + product;
}
} // namespace emulated_cuda
using cublasHandle_t = emulated_cuda::blas*;

inline const char* cublasGetStatusName(cublasStatus_t) { return "cublasStatus"; }
inline const char* cublasGetStatusString(cublasStatus_t) { return "emulated"; }
inline cublasStatus_t cublasCreate(cublasHandle_t* handle) { return *handle = new emulated_cuda::blas, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasDestroy(cublasHandle_t handle) { return delete handle, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) { return handle->stream = stream, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
template <class Real>
cublasStatus_t emulated_gemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m, std::int64_t n, std::int64_t k, const Real* a, std::int64_t lda,
                             const Real* b, std::int64_t ldb, Real beta, Real* c, std::int64_t ldc) {
    emulated_cuda::later(handle->stream, [=] { emulated_cuda::multiply(op_a, op_b, m, n, k, a, lda, b, ldb, beta, c, ldc); });
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasSgemm_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m, std::int64_t n, std::int64_t k, const float*, const float* a,
                                     std::int64_t lda, const float* b, std::int64_t ldb, const float* beta, float* c, std::int64_t ldc) {
    return emulated_gemm(handle, op_a, op_b, m, n, k, a, lda, b, ldb, *beta, c, ldc);
}
inline cublasStatus_t cublasDgemm_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m, std::int64_t n, std::int64_t k, const double*, const double* a,
                                     std::int64_t lda, const double* b, std::int64_t ldb, const double* beta, double* c, std::int64_t ldc) {
    return emulated_gemm(handle, op_a, op_b, m, n, k, a, lda, b, ldb, *beta, c, ldc);
}
