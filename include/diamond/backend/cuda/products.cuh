/// This header computes products with cuBLAS, in the precision of their numbers unless TF32 is asked for, and
/// layers with their bias in one pass with cuBLASLt.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/backend/cuda/resources.cuh>
#include <diamond/concepts/backend.hpp>

namespace diamond::cuda::detail {

/// cuBLASLt chooses a kernel for this shape of a layer.
struct layer_shape {
    index_t outputs, columns, inputs;
    std::uint32_t weights_alignment, h_alignment, out_alignment;
    friend bool operator==(const layer_shape&, const layer_shape&) = default;
};

/// A plan holds the description of a product of one shape and the kernel chosen for it. No kernel is found if
/// cuBLASLt has none.
struct layer_plan {
    owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> product;
    owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> weights, h, out;
    cublasLtMatmulAlgo_t kernel{};
    bool found = false;

    layer_plan(cublasLtHandle_t handle, const layer_shape& shape, bool tf32, std::size_t workspace) {
        const auto layout = [](auto& to, index_t rows, index_t columns) {
            check(cublasLtMatrixLayoutCreate(to.receive(), CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                             static_cast<std::uint64_t>(columns), rows),
                  "cublasLtMatrixLayoutCreate");
        };
        layout(weights, shape.outputs, shape.inputs);
        layout(h, shape.inputs, shape.columns);
        layout(out, shape.outputs, shape.columns);
        check(cublasLtMatmulDescCreate(product.receive(),
                                       tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
              "cublasLtMatmulDescCreate");
        const cublasLtEpilogue_t bias = CUBLASLT_EPILOGUE_BIAS;
        check(
            cublasLtMatmulDescSetAttribute(product.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, &bias, sizeof bias),
            "cublasLtMatmulDescSetAttribute");

        owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> preference;
        check(cublasLtMatmulPreferenceCreate(preference.receive()), "cublasLtMatmulPreferenceCreate");
        const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
            check(cublasLtMatmulPreferenceSetAttribute(preference.get(), which, &value, sizeof value),
                  "cublasLtMatmulPreferenceSetAttribute");
        };
        prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(workspace));
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.weights_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.h_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.out_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.out_alignment);
        cublasLtMatmulHeuristicResult_t best{};
        int results = 0;
        const auto status = cublasLtMatmulAlgoGetHeuristic(handle, product.get(), weights.get(), h.get(),
                                                           out.get(), out.get(), preference.get(), 1, &best,
                                                           &results);
        // Only a shape that cuBLASLt has no kernel for is no mistake of ours.
        if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
        found = status == CUBLAS_STATUS_SUCCESS && results > 0 && best.state == CUBLAS_STATUS_SUCCESS;
        kernel = best.algo;
    }
};

/// This class computes the products of one context, and keeps handles, workspace and plans.
class products {
public:
    products(device_memory& memory, int major, bool tf32)
        : memory_(memory),
          workspace_(memory),
          workspace_bytes_(major >= 9 ? hopper_workspace : workspace),
          tf32_(tf32) {}

    /// Writes out = op_a(a) op_b(b) + beta out, where op_a(a) is rows x depth, op_b(b) is depth x columns,
    /// and neither is empty.
    template <class Real>
    void write(transpose op_a, const Real* a, transpose op_b, const Real* b, Real beta, Real* out,
               index_t rows, index_t columns, index_t depth) {
        const auto operation = [](transpose op) { return op == transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N; };
        const index_t lead_a = op_a == transpose::yes ? depth : rows,
                      lead_b = op_b == transpose::yes ? columns : depth;
        const Real one{1};
        if constexpr (std::is_same_v<Real, float>)
            check(cublasSgemm_64(handle(), operation(op_a), operation(op_b), rows, columns, depth, &one, a,
                                 lead_a, b, lead_b, &beta, out, rows),
                  "cublasSgemm");
        else
            check(cublasDgemm_64(handle(), operation(op_a), operation(op_b), rows, columns, depth, &one, a,
                                 lead_a, b, lead_b, &beta, out, rows),
                  "cublasDgemm");
    }
    /// Writes out = W h + b for all columns in one pass. Returns false, and does nothing, if cuBLASLt has no
    /// kernel for it.
    bool write_layer(const float* weights, const float* bias, const float* h, float* out, index_t outputs,
                     index_t columns, index_t inputs) {
        const layer_shape shape{outputs,      columns,
                                inputs,       alignment(weights),
                                alignment(h), std::min(alignment(out), alignment(bias))};
        const layer_plan& plan = plan_for(shape);
        if (!plan.found) return false;
        check(cublasLtMatmulDescSetAttribute(plan.product.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                             sizeof bias),
              "cublasLtMatmulDescSetAttribute");
        const float one = 1.0f, zero = 0.0f;
        check(cublasLtMatmul(light(), plan.product.get(), &one, weights, plan.weights.get(), h, plan.h.get(),
                             &zero, out, plan.out.get(), out, plan.out.get(), &plan.kernel,
                             workspace_.buffer<char>(workspace_bytes_),
                             static_cast<std::size_t>(workspace_bytes_), memory_.stream()),
              "cublasLtMatmul");
        return true;
    }

private:
    // These are the sizes that cuBLAS recommends.
    static constexpr index_t hopper_workspace = index_t{32} << 20, workspace = index_t{4} << 20;
    // A program has a few shapes; one whose shapes keep changing starts anew.
    static constexpr std::size_t most_plans = 64;

    cublasHandle_t handle() {
        // The handle alone does not say that it is ready, so that what fails below is tried again.
        if (!ready_) {
            if (!handle_.get()) check(cublasCreate(handle_.receive()), "cublasCreate");
            check(cublasSetStream(handle_.get(), memory_.stream()), "cublasSetStream");
            // The workspace is set after the stream, which resets it.
            check(cublasSetWorkspace(handle_.get(), workspace_.buffer<char>(workspace_bytes_),
                                     static_cast<std::size_t>(workspace_bytes_)),
                  "cublasSetWorkspace");
            check(cublasSetMathMode(handle_.get(), tf32_ ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
                  "cublasSetMathMode");
            ready_ = true;
        }
        return handle_.get();
    }
    cublasLtHandle_t light() {
        if (!light_.get()) check(cublasLtCreate(light_.receive()), "cublasLtCreate");
        return light_.get();
    }
    const layer_plan& plan_for(const layer_shape& shape) {
        for (const auto& [known, plan] : plans_)
            if (known == shape) return *plan;
        if (plans_.size() == most_plans) plans_.clear();
        return *plans_
                    .emplace_back(shape,
                                  std::make_unique<layer_plan>(light(), shape, tf32_,
                                                               static_cast<std::size_t>(workspace_bytes_)))
                    .second;
    }
    static std::uint32_t alignment(const void* p) {
        constexpr std::uintptr_t most = 256; // the alignment that cuBLASLt assumes by default
        const auto address = reinterpret_cast<std::uintptr_t>(p);
        return static_cast<std::uint32_t>(std::min(most, address & (~address + 1)));
    }

    device_memory& memory_;
    device_buffer workspace_; // both libraries use one stream, so their products do not overlap
    index_t workspace_bytes_;
    bool tf32_, ready_ = false;
    owned<cublasHandle_t, cublasDestroy> handle_;
    owned<cublasLtHandle_t, cublasLtDestroy> light_;
    std::vector<std::pair<layer_shape, std::unique_ptr<layer_plan>>> plans_;
};

} // namespace diamond::cuda::detail
