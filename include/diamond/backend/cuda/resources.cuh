/// This header defines what a context owns: a stream and a pool of memory on its device, and a little pinned
/// memory on the host.
#pragma once

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <diamond/backend/cuda/error.cuh>
#include <diamond/core/digits_of.hpp>

namespace diamond::cuda::detail {

/// This class owns a handle and gives it back by `release`, which never throws.
template <class Handle, auto release>
class owned {
public:
    owned() = default;
    owned(const owned&) = delete;
    owned& operator=(const owned&) = delete;
    ~owned() { reset(); }

    void reset() noexcept {
        if (handle_) static_cast<void>(release(std::exchange(handle_, nullptr)));
    }
    [[nodiscard]] Handle get() const { return handle_; }
    [[nodiscard]] Handle* receive() { return &handle_; }

private:
    Handle handle_ = nullptr;
};

/// This type holds the properties of a device that a context needs.
struct device_properties {
    int multiprocessors = 0, major = 0;
    std::string name;

    explicit device_properties(int device) {
        int count = 0;
        check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
        cudaDeviceProp properties{};
        check(device < 0 || device >= count ? cudaErrorInvalidDevice
                                            : cudaGetDeviceProperties(&properties, device),
              ("opening device " + digits_of(device) + " of " + digits_of(count)).c_str());
        multiprocessors = properties.multiProcessorCount;
        major = properties.major;
        name = std::string(properties.name) + " (cuda " + digits_of(device) + ")";
    }
};

/// This class manages the memory of a device with a stream, which is the user's or one that waits for no
/// other, and a pool that keeps what it has ever taken, so that a steady state takes no more.
class device_memory {
public:
    device_memory(int device, cudaStream_t users) {
        if (!users)
            check(cudaStreamCreateWithFlags(own_stream_.receive(), cudaStreamNonBlocking),
                  "cudaStreamCreateWithFlags");
        stream_ = users ? users : own_stream_.get();
        cudaMemPoolProps properties{};
        properties.allocType = cudaMemAllocationTypePinned;
        properties.location.type = cudaMemLocationTypeDevice;
        properties.location.id = device;
        check(cudaMemPoolCreate(pool_.receive(), &properties), "cudaMemPoolCreate");
        auto keep = std::numeric_limits<unsigned long long>::max();
        check(cudaMemPoolSetAttribute(pool_.get(), cudaMemPoolAttrReleaseThreshold, &keep),
              "cudaMemPoolSetAttribute");
    }

    [[nodiscard]] cudaStream_t stream() const { return stream_; }
    /// Returns this many bytes of device memory.
    /// @throws cuda::error that names the bytes if there are not enough, even without what the pool keeps
    /// unused.
    [[nodiscard]] void* take(index_t bytes) {
        void* result = nullptr;
        const auto size = static_cast<std::size_t>(bytes);
        cudaError_t status = cudaMallocFromPoolAsync(&result, size, pool_.get(), stream_);
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
            check(cudaMemPoolTrimTo(pool_.get(), 0), "cudaMemPoolTrimTo");
            status = cudaMallocFromPoolAsync(&result, size, pool_.get(), stream_);
        }
        if (status == cudaErrorMemoryAllocation) throw_out_of_memory(status, bytes);
        check(status, "cudaMallocFromPoolAsync");
        return result;
    }
    void give_back(void* p) noexcept { cudaFreeAsync(p, stream_); }
    [[nodiscard]] index_t attribute(cudaMemPoolAttr which) const {
        unsigned long long value = 0;
        check(cudaMemPoolGetAttribute(pool_.get(), which, &value), "cudaMemPoolGetAttribute");
        return static_cast<index_t>(value);
    }

private:
    owned<cudaMemPool_t, cudaMemPoolDestroy> pool_;
    owned<cudaStream_t, cudaStreamDestroy> own_stream_;
    cudaStream_t stream_ = nullptr;
};

/// This buffer lies in device memory and grows when needed.
class device_buffer {
public:
    explicit device_buffer(device_memory& memory) : memory_(memory) {}
    device_buffer(const device_buffer&) = delete;
    device_buffer& operator=(const device_buffer&) = delete;
    ~device_buffer() {
        if (data_) memory_.give_back(data_);
    }
    /// Returns memory for at least `count` numbers of type T. What was there before is lost.
    template <class T>
    [[nodiscard]] T* buffer(index_t count) {
        const index_t bytes = count * static_cast<index_t>(sizeof(T));
        if (bytes > bytes_) {
            if (data_) memory_.give_back(std::exchange(data_, nullptr));
            bytes_ = 0;
            data_ = memory_.take(bytes);
            bytes_ = bytes;
        }
        return static_cast<T*>(data_);
    }
    [[nodiscard]] index_t bytes() const { return bytes_; }

private:
    device_memory& memory_;
    void* data_ = nullptr;
    index_t bytes_ = 0;
};

/// This buffer lies in pinned host memory. Numbers travel to the device through it without a wait until it is
/// full, and single numbers come back to it.
class host_buffer {
public:
    static constexpr std::size_t bytes = std::size_t{1} << 20; // a copy of so much takes longer than a wait

    host_buffer() {
        check(cudaMallocHost(reinterpret_cast<void**>(data_.receive()), bytes + sizeof(double)),
              "cudaMallocHost");
    }

    [[nodiscard]] std::size_t left() const { return bytes - used_; }
    /// Copies bytes into the buffer, where there must be room, and returns where they are.
    [[nodiscard]] const void* keep(const void* from, std::size_t count) {
        void* result = data_.get() + used_;
        std::memcpy(result, from, count);
        used_ += count;
        return result;
    }
    /// Empties the buffer. All copies from it must have happened.
    void clear() { used_ = 0; }
    /// Returns eight bytes for a number that comes back.
    template <class T>
    [[nodiscard]] T* number() const {
        static_assert(sizeof(T) <= sizeof(double));
        return reinterpret_cast<T*>(data_.get() + bytes);
    }

private:
    owned<char*, cudaFreeHost> data_;
    std::size_t used_ = 0;
};

} // namespace diamond::cuda::detail
