/// cuBLASLt as far as the back end calls it. It has no kernel for what is aligned to less than 16 bytes, so both of a caller's ways are met.
#pragma once

#include <emulated_cuda/cublas_v2.h>

enum { CUDA_R_32F };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32 };
enum cublasLtEpilogue_t { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_BIAS = 4 };
enum cublasLtMatmulDescAttributes_t { CUBLASLT_MATMUL_DESC_EPILOGUE = 7, CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8 };
enum cublasLtMatmulPreferenceAttributes_t {
    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES     = 1,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES   = 5,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES   = 6,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES   = 7,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES   = 8
};
namespace emulated_cuda {
struct light_product {
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    const float* bias           = nullptr;
};
struct light_layout {
    std::int64_t rows, columns, lead;
};
struct light_preference {
    std::uint32_t least_alignment = 256;
};
} // namespace emulated_cuda
using cublasLtHandle_t           = emulated_cuda::blas*;
using cublasLtMatmulDesc_t       = emulated_cuda::light_product*;
using cublasLtMatrixLayout_t     = emulated_cuda::light_layout*;
using cublasLtMatmulPreference_t = emulated_cuda::light_preference*;
struct cublasLtMatmulAlgo_t {};
struct cublasLtMatmulHeuristicResult_t {
    cublasLtMatmulAlgo_t algo;
    cublasStatus_t state;
};

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return cublasCreate(handle); }
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return cublasDestroy(handle); }
inline cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* to, cublasComputeType_t, int) { return *to = new emulated_cuda::light_product, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t p) { return delete p, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t to, cublasLtMatmulDescAttributes_t which, const void* value, std::size_t bytes) {
    std::memcpy(which == CUBLASLT_MATMUL_DESC_EPILOGUE ? static_cast<void*>(&to->epilogue) : &to->bias, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* to, int, std::uint64_t rows, std::uint64_t columns, std::int64_t lead) {
    *to = new emulated_cuda::light_layout{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), lead};
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t p) { return delete p, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* to) { return *to = new emulated_cuda::light_preference, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { return delete p, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t to, cublasLtMatmulPreferenceAttributes_t which, const void* value, std::size_t) {
    if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return CUBLAS_STATUS_SUCCESS;
    std::uint32_t alignment;
    std::memcpy(&alignment, value, sizeof alignment);
    to->least_alignment = std::min(to->least_alignment, alignment);
    return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                     cublasLtMatmulPreference_t preference, int, cublasLtMatmulHeuristicResult_t* best, int* results) {
    constexpr std::uint32_t least = 16;
    *results                      = preference->least_alignment >= least;
    best->state                   = CUBLAS_STATUS_SUCCESS;
    return *results ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}
inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t product, const void*, const void* a, cublasLtMatrixLayout_t of_a, const void* b, cublasLtMatrixLayout_t of_b,
                                     const void*, const void*, cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t of_d, const cublasLtMatmulAlgo_t*, void*, std::size_t,
                                     cudaStream_t stream) {
    emulated_cuda::later(stream, [=, p = *product, k = of_a->columns, lda = of_a->lead, ldb = of_b->lead, m = of_d->rows, n = of_d->columns, ldd = of_d->lead] {
        auto* const out = static_cast<float*>(d);
        emulated_cuda::multiply(CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, static_cast<const float*>(a), lda, static_cast<const float*>(b), ldb, 0.0f, out, ldd);
        if (p.epilogue == CUBLASLT_EPILOGUE_BIAS)
            for (std::int64_t j = 0; j < n; ++j)
                for (std::int64_t i = 0; i < m; ++i) out[i + ldd * j] += p.bias[i];
    });
    return CUBLAS_STATUS_SUCCESS;
}
