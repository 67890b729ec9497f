/// A device for a test, or a failure that says that there is none.
#pragma once

#include <doctest/doctest.h>

#include <cuda_runtime.h>

#include <diamond/core/scalar.hpp>

namespace device {

inline void check(cudaError_t status) { REQUIRE_MESSAGE(status == cudaSuccess, doctest::String(cudaGetErrorString(status))); }

inline void require() {
    int count                = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    REQUIRE_MESSAGE((status == cudaSuccess && count > 0), "no CUDA device was found: " << doctest::String(cudaGetErrorString(status)));
}

/// Memory that host and device share.
template <class T>
class shared {
public:
    explicit shared(diamond::index_t count) : count_(count) {
        require();
        check(cudaMallocManaged(&data_, static_cast<std::size_t>(count) * sizeof(T)));
    }
    shared(const shared&)            = delete;
    shared& operator=(const shared&) = delete;
    ~shared() { cudaFree(data_); }

    [[nodiscard]] T* data() { return data_; }
    [[nodiscard]] diamond::index_t size() const { return count_; }
    T& operator[](diamond::index_t k) { return data_[k]; }

private:
    T* data_ = nullptr;
    diamond::index_t count_;
};

template <class F>
__global__ void call(diamond::index_t count, F f) {
    const diamond::index_t j = blockIdx.x * static_cast<diamond::index_t>(blockDim.x) + threadIdx.x;
    if (j < count) f(j);
}

/// f(j) for all j < count, a device thread each; returns when all are done.
template <class F>
void for_each(diamond::index_t count, F f) {
    require();
    constexpr int threads = 128;
    call<<<static_cast<unsigned>((count + threads - 1) / threads), threads>>>(count, f);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
}

} // namespace device
