/// The back end on thrust's sequential system: the CPU, one thread, every elementwise functor called as a device calls it.
#pragma once

#include <thrust/system/cpp/execution_policy.h>

#include <diamond/backend/detail/thrust_host.hpp>

namespace diamond::thrust_cpu {

/// The CPU through thrust's sequential system, one thread. It must outlive the batches made from it.
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust sequential)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::cpp::par; }
};

template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::thrust_cpu
