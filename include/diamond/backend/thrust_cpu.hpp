/// This header defines the back end on thrust's sequential system: the CPU with one thread, where every
/// elementwise functor is called as it is on a device.
#pragma once

#include <thrust/system/cpp/execution_policy.h>

#include <diamond/backend/detail/thrust_host.hpp>

namespace diamond::thrust_cpu {

/// This context is the CPU through thrust's sequential system, with one thread. It must outlive the batches
/// made from it, and serves one thread of control. The operations are described in concepts/backend.hpp.
/// @throws std::logic_error from products and reductions while the context works for another thread.
struct context : diamond::detail::thrust_host<context> {
    [[nodiscard]] static constexpr const char* device_name() { return "cpu (thrust sequential)"; }
    [[nodiscard]] static constexpr auto policy() { return thrust::cpp::par; }
};

/// A batch of this back end is d x N numbers in host memory.
template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::thrust_cpu
