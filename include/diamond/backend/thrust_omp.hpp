/// The back end on thrust's OpenMP system: the CPU, as many threads as OpenMP gives (OMP_NUM_THREADS). Compile with -fopenmp.
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
/// No exception may leave a parallel region: the one of the lowest index is kept.
struct first_exception {
    index_t at = std::numeric_limits<index_t>::max();
    std::exception_ptr what;

    void record(index_t j) {
#pragma omp critical(diamond_first_exception)
        if (j < at) {
            at   = j;
            what = std::current_exception();
        }
    }
};
/// Never inlined: in a second copy the compiler may fuse other products with other sums, and last bits then depend on N.
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

/// Of which process the OpenMP threads are that contexts work with, in forks; -1 before the first use.
inline std::atomic<std::int64_t> team{-1};
/// Whether OpenMP's threads are in this process: in a child of the process that used them first they are not, and libgomp waits for them for ever.
inline bool team_is_here() {
    const std::int64_t now = diamond::detail::forks.load(std::memory_order_relaxed);
    std::int64_t       of  = team.load(std::memory_order_relaxed);
    return of == now || (of == -1 && (team.compare_exchange_strong(of, now) || of == now));
}
} // namespace detail

/// The CPU through thrust's OpenMP system. It must outlive the batches made from it; results do not depend on the number of threads. In the
/// child of a process that has worked with such contexts it works in one thread, for the others do not survive a fork(). (A program that
/// enters parallel regions of its own and then forks has to see to that itself, as all OpenMP code has.)
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust OpenMP)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::omp::par; }
    [[nodiscard]] static int workers() { return omp_get_max_threads(); }
    [[nodiscard]] static bool inside_team() { return omp_in_parallel() != 0; }

    using thrust_vocabulary::for_each;
    /// Rethrows the exception of the lowest index.
    template <class F>
    void for_each(index_t count, const F& f) const {
        detail::first_exception    caught;
        const detail::guarded<F> each{f, &caught};
        if (alone(count)) {
            for (index_t j = 0; j < count && !caught.what; ++j) each(j);
        } else {
            thrust_vocabulary::for_each(count, each);
        }
        if (caught.what) std::rethrow_exception(caught.what);
    }

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
    static constexpr index_t least_parallel = 64; // columns below which waking threads costs more than it saves

    static bool alone(index_t count) { return count < least_parallel || !detail::team_is_here(); }
};

template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::thrust_omp
