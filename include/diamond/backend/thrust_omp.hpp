/// The back end on thrust's OpenMP system: the CPU, as many threads as OpenMP gives (OMP_NUM_THREADS). Compile with -fopenmp.
#pragma once

#include <omp.h>
#include <thrust/system/omp/execution_policy.h>

#include <diamond/backend/detail/thrust_host.hpp>

namespace diamond::thrust_omp {

/// The CPU through thrust's OpenMP system. It must outlive the batches made from it; results do not depend on the number of threads.
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust OpenMP)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::omp::par; }
    [[nodiscard]] static int workers() { return omp_get_max_threads(); }
    [[nodiscard]] static int worker() { return omp_get_thread_num(); }
};

template <class Real>
using batch = diamond::batch<Real, context>;

} // namespace diamond::thrust_omp
