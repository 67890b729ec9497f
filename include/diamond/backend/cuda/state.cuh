/// This header defines what a context keeps between calls: its resources, the checks that it has not reported
/// yet, and counts of costly operations.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/backend/cuda/functors.cuh>
#include <diamond/backend/cuda/kernels.cuh>
#include <diamond/backend/cuda/products.cuh>
#include <diamond/backend/cuda/resources.cuh>
#include <diamond/backend/detail/require_ieee.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::cuda {

/// The counts say how often a context waited for its device, took memory from its pool, launched a kernel of
/// its own, and wrote a dense layer with its bias by one product of cuBLASLt.
struct counts {
    /// Waits for the device, allocations from the pool, and launches.
    long waits = 0, allocations = 0, launches = 0;
    long fused_layers = 0; ///< layers whose bias cuBLASLt added: the others take one launch more
};

namespace detail {

/// This type holds the resources of a context on its device.
struct device_resources {
    device_memory memory;
    host_buffer staged;
    device_buffer number{memory}, failure{memory}, scratch{memory};
    detail::products products;

    device_resources(int device, cudaStream_t users, int major, bool tf32)
        : memory(device, users), products(memory, major, tf32) {
        static_cast<void>(number.buffer<double>(1));
        forget_failure();
    }
    void forget_failure() {
        constexpr int all_ones = 0xff; // the bytes of `none`
        check(cudaMemsetAsync(failure.buffer<unsigned long long>(1), all_ones, sizeof(unsigned long long),
                              memory.stream()),
              "cudaMemsetAsync");
    }
};

/// This class keeps the state of a context. Launches, copies and allocations make the device of the context
/// the current one while they run.
class context_state {
public:
    context_state(int device, cudaStream_t users, bool tf32) : device_(device), properties_(device) {
        diamond::detail::require_ieee();
        deferred_.reserve(most_checks); // a step in steady state allocates no host memory either
        const device_guard guard(device_);
        own_ = std::make_unique<device_resources>(device, users, properties_.major, tf32);
    }
    context_state(const context_state&) = delete;
    context_state& operator=(const context_state&) = delete;
    ~context_state() {
        try {
            const device_guard guard(device_);
            cudaStreamSynchronize(stream());
            own_.reset();
        } catch (...) { // a device that is gone has nothing left to give back, and must not be asked to
            static_cast<void>(own_.release());
        }
    }

    [[nodiscard]] int device() const { return device_; }
    [[nodiscard]] const device_properties& properties() const { return properties_; }
    [[nodiscard]] device_resources& own() { return *own_; }
    [[nodiscard]] cudaStream_t stream() const { return own_->memory.stream(); }
    [[nodiscard]] const counts& counted() const { return counts_; }
    void count_fused_layer() { ++counts_.fused_layers; }

    [[nodiscard]] void* take(index_t bytes) {
        ++counts_.allocations;
        const device_guard guard(device_);
        return own_->memory.take(bytes);
    }
    void give_back(void* p) noexcept {
        try {
            const device_guard guard(device_);
            own_->memory.give_back(p);
        } catch (...) { // a device that is gone took its memory with it
        }
    }

    /// Launches a kernel of `blocks` blocks with block_threads threads each.
    /// @throws cuda::error that names `what`.
    template <class... Parameters, class... Arguments>
    void launch(const char* what, index_t blocks, void (*kernel)(Parameters...),
                const Arguments&... arguments) {
        ++counts_.launches;
        const device_guard guard(device_);
        cudaLaunchConfig_t configuration{};
        configuration.gridDim = dim3(static_cast<unsigned>(blocks));
        configuration.blockDim = dim3(block_threads);
        configuration.stream = stream();
        check(cudaLaunchKernelEx(&configuration, kernel, arguments...), what);
    }
    /// Returns the smaller of two numbers of blocks: enough to fill the device several times over, or one
    /// thread for each of `count`.
    [[nodiscard]] index_t blocks_for(index_t count, index_t per_block = block_threads) const {
        constexpr index_t blocks_a_multiprocessor = 64; // 8 run at once; several rounds even out unequal work
        return std::min((count + per_block - 1) / per_block,
                        blocks_a_multiprocessor * properties_.multiprocessors);
    }
    /// Returns device memory for `count` numbers. The next call may return the same memory.
    template <class T>
    [[nodiscard]] T* scratch(index_t count) {
        const index_t before = own_->scratch.bytes();
        const device_guard guard(device_);
        T* result = own_->scratch.buffer<T>(count);
        counts_.allocations += own_->scratch.bytes() != before;
        return result;
    }

    void copy(void* to, const void* from, index_t bytes, cudaMemcpyKind kind) {
        const device_guard guard(device_);
        check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, stream()), "cudaMemcpyAsync");
    }
    /// Copies bytes to the device. They have been read when it returns, and it waits only if there are many.
    void upload(void* to, const void* from, index_t bytes) {
        auto target = static_cast<char*>(to);
        auto source = static_cast<const char*>(from);
        for (auto left = static_cast<std::size_t>(bytes); left > 0;) {
            if (own_->staged.left() == 0) synchronise();
            const std::size_t part = std::min(left, own_->staged.left());
            copy(target, own_->staged.keep(source, part), static_cast<index_t>(part), cudaMemcpyHostToDevice);
            target += part, source += part, left -= part;
        }
    }
    /// Returns a number on the device, once everything before it has happened.
    /// @throws what the first failed check says.
    template <class T>
    [[nodiscard]] T number(const T* from) {
        copy(own_->staged.number<T>(), from, sizeof(T), cudaMemcpyDeviceToHost);
        synchronise();
        const T result = *own_->staged.number<T>();
        report();
        return result;
    }
    /// Returns when everything in the stream has happened.
    /// @throws what the first failed check says.
    void wait() {
        if (deferred_.empty()) return synchronise();
        report();
    }

    /// Adds a check to the list and returns its place there as the upper bits of its keys, whose lower bits
    /// are the index that failed.
    [[nodiscard]] unsigned long long next_check(const deferred_error& why) {
        if (deferred_.size() == most_checks) wait();
        deferred_.push_back(why);
        return static_cast<unsigned long long>(deferred_.size() - 1) << index_bits;
    }
    [[nodiscard]] unsigned long long* failure() { return own_->failure.buffer<unsigned long long>(1); }

private:
    static constexpr int index_bits = 40; // more numbers than device memory can hold
    // So many checks are looked at together, which keeps the list short.
    static constexpr std::size_t most_checks = 65536;

    void synchronise() {
        ++counts_.waits;
        const device_guard guard(device_);
        check(cudaStreamSynchronize(stream()), "waiting for the device");
        own_->staged.clear();
    }
    /// Reads the results of all checks made so far, forgets the checks, and throws the first one that failed.
    void report() {
        if (deferred_.empty()) return;
        auto* const found = own_->staged.number<unsigned long long>();
        copy(found, failure(), sizeof *found, cudaMemcpyDeviceToHost);
        synchronise();
        const unsigned long long key = *found;
        if (key == none) return deferred_.clear();
        const deferred_error why = deferred_[static_cast<std::size_t>(key >> index_bits)];
        deferred_.clear();
        own_->forget_failure();
        throw_deferred(why, static_cast<index_t>(key & ((1ull << index_bits) - 1)));
    }

    int device_;
    device_properties properties_;
    std::unique_ptr<device_resources> own_;
    std::vector<deferred_error> deferred_;
    counts counts_;
};

} // namespace detail
} // namespace diamond::cuda
