/// The back end on thrust's OpenMP system: the CPU, as many threads as OpenMP gives (OMP_NUM_THREADS). Compile with -fopenmp.
#pragma once

#include <exception>
#include <limits>

#include <omp.h>
#include <thrust/system/omp/execution_policy.h>

#include <diamond/backend/detail/thrust_host.hpp>

namespace diamond::thrust_omp {

namespace detail {
/// No exception may leave a parallel region: the one of the lowest index is kept.
struct first_exception {
    index_t at = std::numeric_limits<index_t>::max();
    std::exception_ptr what;

    void keep(index_t j) {
#pragma omp critical(diamond_first_exception)
        if (j < at) {
            at   = j;
            what = std::current_exception();
        }
    }
};
template <class F>
struct guarded {
    F f;
    first_exception* caught;
    void operator()(index_t j) const {
        try {
            f(j);
        } catch (...) {
            caught->keep(j);
        }
    }
};
} // namespace detail

/// The CPU through thrust's OpenMP system. It must outlive the batches made from it; results do not depend on the number of threads.
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust OpenMP)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::omp::par; }
    [[nodiscard]] static int workers() { return omp_get_max_threads(); }
    [[nodiscard]] static int worker() { return omp_get_thread_num(); }

    using thrust_vocabulary::for_each;
    /// Rethrows the exception of the lowest index.
    template <class F>
    void for_each(index_t count, const F& f) const {
        if (count < least_parallel) {
            for (index_t j = 0; j < count; ++j) f(j);
            return;
        }
        detail::first_exception caught;
        thrust_vocabulary::for_each(count, detail::guarded<F>{f, &caught});
        if (caught.what) std::rethrow_exception(caught.what);
    }

    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        for (index_t j = 0; j < count; ++j)
            if (f(j)) return j;
        return count;
    }

private:
    static constexpr index_t least_parallel = 64; // columns below which waking threads costs more than it saves
};

template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::thrust_omp
