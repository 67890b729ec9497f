/// This header defines the back end on a GPU: device memory, a kernel for each operation, products by cuBLAS
/// and cuBLASLt, and eigenvectors by cuSOLVER.
///
/// A program runs on a GPU if its context and its batches are those of `diamond::cuda` and its file ends in
/// .cu, for nvcc. What it gives to for_each, including a pointwise reward, must be DIAMOND_HD, trivially
/// copyable and of at most 4096 bytes. Calls put work into one stream and return; only to_host and operations
/// that return a number wait, and checks that failed on the device throw then. Reductions add in an order
/// that the extents alone determine, so that a run gives the same bits each time. The bits of a product may
/// depend on the number of columns, by which cuBLAS chooses its kernels. In steady state nothing is
/// allocated, which `counted()` and `pool_bytes()` show.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include <diamond/backend/cuda/lane.cuh>
#include <diamond/backend/cuda/queue.cuh>
#include <diamond/backend/cuda/symmetric.cuh>
#include <diamond/concepts/backend.hpp>

namespace diamond::cuda {

/// This context is a GPU, for instance `context{.device = 0}`. One context serves one thread of control, and
/// must outlive the batches made from it. An operation takes batches of its own context only, because the
/// stream of another one does not wait for it. The operations are described in concepts/backend.hpp.
/// @throws cuda::error from the constructor and from every operation, if the device or a library of CUDA
/// fails.
struct context {
    /// This is the index of the device, as nvidia-smi -L lists it.
    int device = 0;
    /// The context uses this stream of the user's, which must outlive it. For null the context makes a stream
    /// of its own, which waits for no other one.
    cudaStream_t stream = nullptr;
    /// Lets products of float use tensor cores with 10 bits of fraction, where otherwise they use all 23.
    bool tf32 = false;

    mutable detail::context_state state{device, stream, tf32};

    /// Returns the name and the index of the device.
    [[nodiscard]] const char* device_name() const { return state.properties().name.c_str(); }
    /// Returns how often the context waited, allocated and launched a kernel.
    [[nodiscard]] counts counted() const { return state.counted(); }
    /// Returns how many bytes of device memory the pool holds, in use or not.
    [[nodiscard]] index_t pool_bytes() const {
        return state.own().memory.attribute(cudaMemPoolAttrReservedMemCurrent);
    }
    /// Returns how many bytes of device memory are in use.
    [[nodiscard]] index_t pool_bytes_in_use() const {
        return state.own().memory.attribute(cudaMemPoolAttrUsedMemCurrent);
    }
    /// Returns when everything in the stream has happened.
    /// @throws what the first failed check says.
    void wait() const { state.wait(); }

    // 1. memory
    static constexpr bool host_memory = false;
    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        require_countable(count, sizeof(T));
        return count == 0 ? nullptr : static_cast<T*>(state.take(bytes<T>(count)));
    }
    template <class T>
    void deallocate(T* p, index_t) const noexcept {
        if (p) state.give_back(p);
    }
    template <class T>
    void to_host(const T* from, index_t count, T* host) const {
        if (count > 0) state.copy(host, from, bytes<T>(count), cudaMemcpyDeviceToHost);
        state.wait();
    }
    template <class T>
    void from_host(const T* host, index_t count, T* to) const {
        state.upload(to, host, bytes<T>(count));
    }
    template <class T>
    void copy(const T* from, index_t count, T* to) const {
        if (count > 0) state.copy(to, from, bytes<T>(count), cudaMemcpyDeviceToDevice);
    }

    // 2. elementwise
    template <class F>
    void for_each(index_t count, const F& f) const {
        require_argument<F>();
        if (count > 0)
            state.launch("for_each", state.blocks_for(count), detail::for_each_kernel<F>, count, f);
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        require_argument<F>();
        if (rows == 0 || columns == 0) return;
        const index_t blocks = state.blocks_for(rows * columns), step = blocks * detail::block_threads;
        state.launch("for_each", blocks, detail::for_each_element_kernel<F>, rows, rows * columns,
                     step % rows, step / rows, f);
    }

    // 3. reductions
    template <class F>
    void column_sums(index_t rows, index_t columns, const F& f, double* out) const {
        require_argument<F>();
        const int width = detail::column_width(rows);
        if (columns > 0)
            state.launch("column_sums", column_blocks(columns, width), detail::column_sums_kernel<F>, rows,
                         columns, width, f, out);
    }
    template <class F>
    void sum(index_t count, const F& f, double* out) const {
        require_argument<F>();
        detail::queue_reduction(state, count, 0.0, f, detail::add{}, out);
    }
    template <class F>
    void max(index_t count, const F& f, double* out) const {
        require_argument<F>();
        detail::queue_reduction(state, count, -infinity, f, diamond::detail::larger{}, out);
    }
    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        double* const result = state.own().number.buffer<double>(1);
        sum(count, f, result);
        return state.number(result);
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        double* const result = state.own().number.buffer<double>(1);
        max(count, f, result);
        return state.number(result);
    }

    // 4. products
    template <class Real>
    void product(transpose op, batch_view<const Real, context> a, batch_view<const Real, context> b,
                 batch_view<Real, context> out) const {
        const auto [rows, depth] = diamond::detail::require_product(op, a, b, out);
        if (depth == 0) return for_each(out.size(), diamond::detail::fill_each<Real>{out.data(), Real{0}});
        write_product(op, a.data(), transpose::no, b.data(), Real{0}, out.data(), rows, b.columns(), depth);
    }
    /// Adds op(a) op(b) to `out`.
    template <class Real>
    void add_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows,
                     index_t columns, index_t depth) const {
        if (depth > 0) write_product(op_a, a, op_b, b, Real{1}, out, rows, columns, depth);
    }

    // 5. soft maxima
    template <class Real>
    void softmax(batch_view<Real, context> x, double* log_sums) const {
        const int width = detail::column_width(x.rows());
        if (x.columns() > 0)
            state.launch("softmax", column_blocks(x.columns(), width),
                         detail::softmax_kernel<true, Real, Real>, x.data(), x.rows(), x.columns(), width,
                         log_sums);
    }
    void log_sum_exp(batch_view<const double, context> x, double* out) const {
        const int width = detail::column_width(x.rows());
        if (x.columns() > 0)
            state.launch("log_sum_exp", column_blocks(x.columns(), width),
                         detail::softmax_kernel<false, double, const double>, x.data(), x.rows(), x.columns(),
                         width, out);
    }

    // 6. gather
    template <class Real>
    void gather(batch_view<const Real, context> x, const std::int32_t* ancestors,
                batch_view<Real, context> out) const {
        diamond::detail::require_gather(x, out);
        for_each(out.rows(), out.columns(),
                 detail::gather_number<Real>{x.data(), ancestors, out.data(), out.rows()});
    }

    // 7. scans
    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        detail::queue_scan(state, in, count, std::uint64_t{0}, detail::add{}, out);
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        detail::queue_scan(state, in, count, std::numeric_limits<std::int32_t>::min(),
                           detail::greater_integer{}, out);
    }

    // 8. normals
    template <class Real>
    void fill_normal(noise_stream stream_of_noise, batch_view<Real, context> out) const {
        diamond::detail::require_stream(stream_of_noise);
        const index_t blocks = (out.rows() + normals_per_block<Real> - 1) / normals_per_block<Real>;
        for_each(blocks, out.columns(),
                 detail::write_normal_block<Real>{stream_of_noise, out.data(), out.rows()});
    }

    // 9. search
    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        auto* const found = state.own().number.buffer<unsigned long long>(1);
        for_each(1, detail::reset_found{found});
        for_each(count, detail::note_least<F>{f, 0, found});
        const unsigned long long result = state.number(found);
        return result == detail::none ? count : static_cast<index_t>(result);
    }
    template <class F>
    void forbid(index_t count, const F& f, deferred_error why) const {
        why.values = nullptr; // the host cannot read them
        why.indices = nullptr;
        if (count > 0) for_each(count, detail::note_least<F>{f, state.next_check(why), state.failure()});
    }

    // 10. dense layers
    [[nodiscard]] static constexpr index_t concurrency() { return 1; }
    /// Returns how many bytes of a buffer are worked on together. Every launch costs the host some 2.5
    /// microseconds, in which a device moves 10 MB: pieces of 256 MiB make launches cheap, and take little of
    /// its memory.
    [[nodiscard]] static constexpr index_t working_set_bytes() { return index_t{1} << 28; }
    // One lane takes all columns at once.
    [[nodiscard]] static constexpr index_t dense_block_columns() { return index_t{1} << 40; }
    template <class Real>
    void prepare_product(index_t, index_t, index_t) const {}
    template <class Body>
    void lanes(index_t tasks, const Body& body) const {
        detail::dense_lane<context> lane(*this, state);
        for (index_t task = 0; task < tasks; ++task) body(lane, task, index_t{0});
    }

    // 11. eigenvectors
    void symmetric_eigen(batch_view<double, context> a, double* values) const {
        detail::decompose_symmetric(state, a.data(), a.rows(), values);
    }

private:
    template <class T>
    static constexpr index_t bytes(index_t count) {
        return count * static_cast<index_t>(sizeof(T));
    }
    template <class F>
    static constexpr void require_argument() {
        static_assert(std::is_trivially_copyable_v<F>,
                      "a functor or reward for diamond::cuda is copied to the device byte for byte: it must "
                      "be trivially copyable, so let it hold pointers or views, not containers");
        static_assert(sizeof(F) <= 4096,
                      "a functor or reward for diamond::cuda travels as a kernel's argument: it must not "
                      "have more than 4096 bytes, so let it point to its data");
    }
    index_t column_blocks(index_t columns, int width) const {
        return state.blocks_for(columns, detail::block_threads / width);
    }

    template <class Real>
    void write_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real beta, Real* out,
                       index_t rows, index_t columns, index_t depth) const {
        if (rows == 0 || columns == 0) return;
        const detail::device_guard guard(device);
        state.own().products.write(op_a, a, op_b, b, beta, out, rows, columns, depth);
    }
};

static_assert(diagnose_backend<context>());

/// A batch of this back end is d x N numbers in device memory.
template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::cuda
