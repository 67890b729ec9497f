/// This header defines the errors of a device: which call failed, the code and its name, and what to do about
/// it.
#pragma once

#include <stdexcept>
#include <string>

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::cuda {

/// This exception says that a call of CUDA, cuBLAS or cuSOLVER failed. what() has the call, the code, its
/// name, and advice on what to do.
class error : public std::runtime_error {
public:
    /// The error that a call failed by a code of this name and meaning, and the advice.
    error(const std::string& call, int code, const char* name, const char* meaning, const std::string& advice)
        : std::runtime_error("cuda: " + call + " failed with " + name + " (" + digits_of(code) + ": " +
                             meaning + "). " + advice),
          call_(call),
          code_(code) {}

    /// Returns what failed: the call as the source has it, or the allocation with its size.
    [[nodiscard]] const std::string& call() const noexcept { return call_; }
    /// Returns the code, which is a cudaError_t, cublasStatus_t or cusolverStatus_t.
    [[nodiscard]] int code() const noexcept { return code_; }

private:
    std::string call_;
    int code_;
};

namespace detail {

/// Returns what a user can do about an error of CUDA.
inline const char* advice_on(cudaError_t status) {
    switch (status) {
    case cudaErrorNoDevice:
        return "No device is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES, or run on the CPU with "
               "diamond::eigen::context.";
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
        return "There is no driver, or it is older than the program's CUDA: install a newer one, or run on "
               "the CPU with diamond::eigen::context.";
    case cudaErrorInvalidDevice:
        return "There is no such device: nvidia-smi -L lists those that there are, from 0.";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidKernelImage:
    case cudaErrorUnsupportedPtxVersion:
        return "The program was compiled for other devices: compile with -arch=native, or with "
               "CMAKE_CUDA_ARCHITECTURES for this one.";
    case cudaErrorMemoryAllocation:
        return "Use fewer particles or samples, a smaller batch, or free memory that another program holds.";
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
        return "A functor or reward read or wrote outside its batch, or was called with memory of the host: "
               "compute-sanitizer shows where. The process must start anew.";
    case cudaErrorLaunchOutOfResources:
        return "A functor needs more local or shared memory than a block of 256 threads has: keep large "
               "arrays in batches.";
    case cudaErrorInitializationError:
        return "A child of fork() cannot use what its parent has opened: fork before the first use of CUDA, "
               "or start the child anew (exec, Python's \"spawn\").";
    case cudaErrorDevicesUnavailable:
        return "Another process holds the device exclusively.";
    default:
        return "The device cannot go on: see the documentation of cudaError_t.";
    }
}

/// These functions check the status that `call` returned.
/// @throws cuda::error if it is not a success.
inline void check(cudaError_t status, const char* call) {
    if (status == cudaSuccess) return;
    cudaGetLastError(); // so that no later call reports this error again
    throw error(call, static_cast<int>(status), cudaGetErrorName(status), cudaGetErrorString(status),
                advice_on(status));
}
inline void check(cublasStatus_t status, const char* call) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    const char* advice = status == CUBLAS_STATUS_ALLOC_FAILED || status == CUBLAS_STATUS_NOT_INITIALIZED
                           ? "cuBLAS found no memory for itself: use smaller batches, or free memory that "
                             "another program holds."
                           : "See the documentation of cublasStatus_t; an earlier kernel may have failed.";
    throw error(call, static_cast<int>(status), cublasGetStatusName(status), cublasGetStatusString(status),
                advice);
}
/// Throws a cuda::error that names the bytes asked for and those that are free.
[[noreturn]] inline void throw_out_of_memory(cudaError_t status, index_t bytes) {
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    std::string call = "allocating " + digits_of(bytes) + " bytes";
    if (cudaMemGetInfo(&free, &total) == cudaSuccess)
        call += " on a device with " + digits_of(free) + " of its " + digits_of(total) + " bytes free";
    throw error(call, static_cast<int>(status), cudaGetErrorName(status), cudaGetErrorString(status),
                advice_on(status));
}

/// This guard makes a device the current one while it lives, since several contexts may have different
/// devices.
class device_guard {
public:
    explicit device_guard(int device) {
        check(cudaGetDevice(&before_), "cudaGetDevice");
        if (before_ != device)
            check(cudaSetDevice(device), "cudaSetDevice");
        else
            before_ = unchanged;
    }
    device_guard(const device_guard&) = delete;
    device_guard& operator=(const device_guard&) = delete;
    ~device_guard() {
        if (before_ != unchanged) cudaSetDevice(before_);
    }

private:
    static constexpr int unchanged = -1;
    int before_ = unchanged;
};

} // namespace detail
} // namespace diamond::cuda
