/// As much of CUDA's runtime as the back end calls, on the CPU: so that its kernels and its host side are tested where there is no device.
///
/// Work is queued and runs when the host waits; the pool's memory then only is open, so a host that touches it dies. This is no GPU and says so.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include <emulated_cuda/threads.hpp>
#include <support/emulated_memory.hpp>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)

enum cudaError_t {
    cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorInitializationError = 3, cudaErrorStubLibrary = 34, cudaErrorInsufficientDriver = 35, cudaErrorDevicesUnavailable = 46, cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101, cudaErrorInvalidKernelImage = 200, cudaErrorNoKernelImageForDevice = 209, cudaErrorUnsupportedPtxVersion = 222, cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701, cudaErrorAssert = 710, cudaErrorMisalignedAddress = 716, cudaErrorLaunchFailure = 719
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold, cudaMemPoolAttrReservedMemCurrent, cudaMemPoolAttrUsedMemCurrent };
enum { cudaMemAllocationTypePinned = 1, cudaMemLocationTypeDevice = 1, cudaStreamNonBlocking = 1 };
struct cudaMemPoolProps {
    int allocType;
    struct {
        int type, id;
    } location;
};
struct cudaDeviceProp {
    int multiProcessorCount, major;
    char name[64];
};

namespace emulated_cuda {
struct stream {
    std::vector<std::function<void()>> queue;
};
struct device {
    static constexpr int multiprocessors = 2; // few, so that grids go on by their stride in tests, too
    emulated::memory room;
    unsigned long long in_use = 0, limit = std::uint64_t{8} << 30; // bytes
    std::vector<stream*> streams;

    void run(stream& which) {
        room.open();
        for (auto& work : which.queue) work();
        which.queue.clear();
        room.close();
    }
};
inline device& the_device() {
    static device result;
    return result;
}
} // namespace emulated_cuda

using cudaStream_t  = emulated_cuda::stream*;
using cudaMemPool_t = emulated_cuda::device*;

namespace emulated_cuda {
template <class Work>
void later(cudaStream_t stream, Work work) {
    constexpr std::size_t most_queued = 4096; // a stream goes on by itself
    stream->queue.push_back(std::move(work));
    if (stream->queue.size() >= most_queued) the_device().run(*stream);
}
} // namespace emulated_cuda

inline const char* cudaGetErrorName(cudaError_t status) { return status == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : status == cudaErrorInvalidDevice ? "cudaErrorInvalidDevice" : "cudaError"; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* to, int) {
    *to = {emulated_cuda::device::multiprocessors, 9, "CUDA emulated on the CPU, not a GPU"};
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    auto& device = emulated_cuda::the_device();
    *total = device.limit, *free = device.limit - device.in_use;
    return cudaSuccess;
}

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, int) { return *stream = new emulated_cuda::stream, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return emulated_cuda::the_device().run(*stream), cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    emulated_cuda::the_device().run(*stream);
    delete stream;
    return cudaSuccess;
}

inline cudaError_t cudaMallocHost(void** p, std::size_t bytes) { return *p = std::malloc(bytes), cudaSuccess; }
inline cudaError_t cudaFreeHost(void* p) { return std::free(p), cudaSuccess; }
inline cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) { return *pool = &emulated_cuda::the_device(), cudaSuccess; }
inline cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
inline cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) { return *static_cast<unsigned long long*>(value) = pool->in_use, cudaSuccess; }
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
/// The size stands before the numbers, so that cudaFreeAsync knows it; 256 bytes, as a device aligns.
inline cudaError_t cudaMallocFromPoolAsync(void** p, std::size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
    if (bytes > pool->limit - pool->in_use) return cudaErrorMemoryAllocation;
    auto* const room = static_cast<char*>(pool->room.take(bytes + 256));
    pool->in_use += bytes;
    *p = room + 256;
    emulated_cuda::later(stream, [=] {
        std::memcpy(room, &bytes, sizeof bytes);
        std::memset(room + 256, 0x7f, bytes); // whoever reads before he writes gets large numbers
    });
    return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
    emulated_cuda::later(stream, [p] {
        auto& device = emulated_cuda::the_device();
        std::size_t bytes;
        std::memcpy(&bytes, static_cast<char*>(p) - 256, sizeof bytes);
        device.room.give_back(static_cast<char*>(p) - 256, bytes + 256);
        device.in_use -= bytes;
    });
    return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    emulated_cuda::later(stream, [=] { std::memmove(to, from, bytes); });
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    emulated_cuda::later(stream, [=] { std::memset(to, value, bytes); });
    return cudaSuccess;
}

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    std::size_t dynamicSmemBytes;
    cudaStream_t stream;
};
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* launch, void (*kernel)(Parameters...), const Arguments&... arguments) {
    emulated_cuda::later(launch->stream, [kernel, grid = launch->gridDim, threads = launch->blockDim, arguments...] {
        gridDim = grid, blockDim = threads;
        const std::function<void()> body = [&] { kernel(Parameters(arguments)...); };
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) emulated_cuda::block().run(threads.x, body);
    });
    return cudaSuccess;
}

inline void __syncthreads() { emulated_cuda::block().meet(); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    static T held[1024];
    const unsigned t = threadIdx.x;
    held[t]          = value;
    __syncthreads();
    const T result = held[t ^ static_cast<unsigned>(mask)];
    __syncthreads();
    return result;
}
inline unsigned long long atomicMin(unsigned long long* to, unsigned long long value) {
    const unsigned long long before = *to;
    if (value < before) *to = value;
    return before;
}
