/// This header defines the back end on thrust's OpenMP system: the CPU with as many threads as OpenMP
/// provides (OMP_NUM_THREADS). Compile with -fopenmp.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>

#include <omp.h>
#include <thrust/system/omp/execution_policy.h>

#include <diamond/backend/detail/forks.hpp>
#include <diamond/backend/detail/thrust_host.hpp>

namespace diamond::thrust_omp {

namespace detail {
/// This type keeps the exception of the lowest index, since no exception may leave a parallel region.
struct first_exception {
    index_t at = std::numeric_limits<index_t>::max();
    std::exception_ptr what;

    void record(index_t j) {
#pragma omp critical(diamond_first_exception)
        if (j < at) {
            at = j;
            what = std::current_exception();
        }
    }
};
/// This functor records the exceptions of f. It is never inlined: in a second copy the compiler may fuse
/// other products with other sums, and last bits would then depend on N.
template <class F>
struct guarded {
    F f;
    first_exception* caught;
    [[gnu::noinline]] void operator()(index_t j) const {
        try {
            f(j);
        } catch (...) {
            caught->record(j);
        }
    }
};

/// This number identifies the process that the OpenMP threads of all contexts belong to, in forks; it is -1
/// before the first use.
inline std::atomic<std::int64_t> team{-1};
/// Returns whether OpenMP's threads exist in this process. In a child of the process that used them first
/// they do not, and libgomp would wait for them for ever.
inline bool team_is_here() {
    const std::int64_t now = diamond::detail::forks.load(std::memory_order_relaxed);
    std::int64_t of = team.load(std::memory_order_relaxed);
    return of == now || (of == -1 && (team.compare_exchange_strong(of, now) || of == now));
}
} // namespace detail

/// This context is the CPU through thrust's OpenMP system. It must outlive the batches made from it, and
/// serves one thread of control; results do not depend on the number of threads. In the child of a process
/// that has worked with such contexts it works in one thread, because the others do not survive a fork(). A
/// program that enters parallel regions of its own and then forks has to care for this itself, as all OpenMP
/// code has. The operations are described in concepts/backend.hpp.
/// @throws std::logic_error from products and reductions while the context works for another thread.
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust OpenMP)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::omp::par; }
    /// Returns the number of threads that work at once.
    [[nodiscard]] static int workers() { return omp_get_max_threads(); }
    /// Returns whether the caller is one of several threads that work at once.
    [[nodiscard]] static bool inside_team() { return omp_in_parallel() != 0; }

    using thrust_vocabulary::for_each;
    /// Calls f(j) for j < count.
    /// @throws the exception of the lowest index for which f throws.
    template <class F>
    void for_each(index_t count, const F& f) const {
        detail::first_exception caught;
        const detail::guarded<F> each{f, &caught};
        if (alone(count)) {
            for (index_t j = 0; j < count && !caught.what; ++j) each(j);
        } else {
            thrust_vocabulary::for_each(count, each);
        }
        if (caught.what) std::rethrow_exception(caught.what);
    }

    /// Calls body(task, worker) for all tasks, never for two tasks with the same worker at once.
    template <class Body>
    void run(index_t tasks, const Body& body) const {
        if (alone(tasks)) {
            for (index_t task = 0; task < tasks; ++task) body(task, 0);
        } else {
            for_each(tasks, [&](index_t task) { body(task, omp_get_thread_num()); });
        }
    }

    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        for (index_t j = 0; j < count; ++j)
            if (f(j)) return j;
        return count;
    }

private:
    // For fewer columns, waking threads costs more than it saves.
    static constexpr index_t least_parallel = 64;

    /// Returns whether work on so many columns is done by the calling thread alone.
    static bool alone(index_t count) { return count < least_parallel || !detail::team_is_here(); }
};

/// A batch of this back end is d x N numbers in host memory.
template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::thrust_omp
