/// This header emulates a device, with memory that the host cannot touch and work that happens later.
///
/// Operations are queued. Their functors are copied byte for byte, as the arguments of kernels are, and run
/// when the host waits. Between waits the memory has no access rights, so that a host that reads or writes it
/// dies. Waits and allocations are counted. What runs here uses nothing that only a CPU provides.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <vector>

#include <diamond/backend/thrust_cpu.hpp>

#include <support/emulated_memory.hpp>

namespace emulated {

struct counts {
    long waits = 0, allocations = 0;
};

struct context;
namespace detail {
struct state {
    memory room;
    std::vector<std::function<void()>> queue;
    std::optional<std::pair<diamond::deferred_error, diamond::index_t>> failure; // the first one
    diamond::thrust_cpu::context cpu;
    counts count;

    /// A stream makes progress by itself. Here it does so when this much work is queued.
    static constexpr std::size_t most_queued = 4096;

    template <class Work>
    void later(Work work) {
        queue.push_back(std::move(work));
        if (queue.size() >= most_queued) run();
    }
    void run() {
        room.open();
        for (auto& work : queue) work();
        queue.clear();
        room.close();
    }
};
} // namespace detail

struct context : diamond::detail::thrust_vocabulary<context> {
    using index_t = diamond::index_t;
    template <class Real>
    using view = diamond::batch_view<Real, context>;

    static constexpr bool host_memory = false;
    [[nodiscard]] static constexpr const char* device_name() { return "emulated device"; }
    [[nodiscard]] counts counted() const { return state_.count; }

    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        ++state_.count.allocations;
        return count == 0 ? nullptr
                          : static_cast<T*>(state_.room.take(static_cast<std::size_t>(count) * sizeof(T)));
    }
    template <class T>
    void deallocate(T* p, index_t count) const noexcept {
        if (p)
            state_.later(
                [this, p, count] { state_.room.give_back(p, static_cast<std::size_t>(count) * sizeof(T)); });
    }
    template <class T>
    void to_host(const T* device, index_t count, T* host) const {
        state_.later([=] { std::copy_n(device, count, host); });
        wait();
    }
    template <class T>
    // A driver, too, copies small pageable memory before it returns.
    void from_host(const T* host, index_t count, T* device) const {
        state_.later([staged = std::vector<T>(host, host + count), device] {
            std::copy_n(staged.data(), staged.size(), device);
        });
    }
    template <class T>
    void copy(const T* from, index_t count, T* to) const {
        state_.later([=] { std::copy_n(from, count, to); });
    }

    using thrust_vocabulary::for_each;
    template <class F>
    void for_each(index_t count, const F& f) const {
        static_assert(std::is_trivially_copyable_v<F>, "a kernel's arguments are copied byte for byte");
        static_assert(sizeof(F) <= 4096, "a kernel's arguments have 4096 bytes");
        state_.later([=, this] { state_.cpu.for_each(count, f); });
    }
    template <class F>
    void sum(index_t count, const F& f, double* out) const {
        state_.later([=, this] { state_.cpu.sum(count, f, out); });
    }
    template <class F>
    void max(index_t count, const F& f, double* out) const {
        state_.later([=, this] { state_.cpu.max(count, f, out); });
    }
    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        double result = 0.0;
        state_.later([&] { result = state_.cpu.sum(count, f); });
        wait();
        return result;
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        double result = 0.0;
        state_.later([&] { result = state_.cpu.max(count, f); });
        wait();
        return result;
    }
    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        index_t result = 0;
        state_.later([&] { result = state_.cpu.find_first(count, f); });
        wait();
        return result;
    }
    template <class F>
    void forbid(index_t count, const F& f, diamond::deferred_error why) const {
        static_assert(std::is_trivially_copyable_v<F>, "a kernel's arguments are copied byte for byte");
        why.values = nullptr; // the host cannot read them
        why.indices = nullptr;
        state_.later([=, this] {
            const index_t bad = state_.cpu.find_first(count, f);
            if (bad < count && !state_.failure) state_.failure.emplace(why, bad);
        });
    }
    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        state_.later([=, this] { state_.cpu.scan_sum(in, count, out); });
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        state_.later([=, this] { state_.cpu.scan_max(in, count, out); });
    }

    template <class Real>
    void product(diamond::transpose op, view<const Real> a, view<const Real> b, view<Real> out) const {
        static_cast<void>(diamond::detail::require_product(op, a, b, out));
        using cpu_context = diamond::thrust_cpu::context;
        const auto here = [this]<class T>(view<T> x) {
            return diamond::batch_view<T, cpu_context>(x.data(), x.rows(), x.columns(), &state_.cpu);
        };
        state_.later([=, this] { state_.cpu.product<Real>(op, here(a), here(b), here(out)); });
    }
    template <class Real>
    void add_product(diamond::transpose op_a, const Real* a, diamond::transpose op_b, const Real* b,
                     Real* out, index_t rows, index_t columns, index_t depth) const {
        state_.later([=, this] { state_.cpu.add_product(op_a, a, op_b, b, out, rows, columns, depth); });
    }

    template <std::same_as<double> Real>
    void symmetric_eigen(view<Real> a, Real* values) const {
        using matrix = diamond::batch_view<double, diamond::thrust_cpu::context>;
        state_.later([=, this] {
            state_.cpu.symmetric_eigen(matrix(a.data(), a.rows(), a.columns(), &state_.cpu), values);
        });
    }

    /// Returns when everything queued has happened.
    /// @throws what the first failed check says.
    void wait() const {
        ++state_.count.waits;
        state_.run();
        if (const auto failure = std::exchange(state_.failure, std::nullopt))
            diamond::throw_deferred(failure->first, failure->second);
    }

private:
    mutable detail::state state_;
};

template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace emulated
