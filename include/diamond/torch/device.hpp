/// Where libtorch works on the batches of a context, and with how many threads.
#pragma once

#include <ATen/Parallel.h>
#include <torch/script.h>

#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// The device whose memory a context's batches are in. A guard makes libtorch work there, as the context
/// does: on the CPU with as many threads. Its threads and the context's are then never at work at once,
/// because whichever of the two is called works, and the other waits. libtorch keeps their number for each
/// thread that calls it.
template <class Context>
struct torch_device {
    static_assert(Context::host_memory,
                  "a torch network takes batches in the host's memory, such as those of diamond::eigen: for "
                  "another back end specialise diamond::detail::torch_device");
    [[nodiscard]] static ::torch::Device of(const Context&) { return ::torch::kCPU; }
    struct guard {
        explicit guard(const Context& context) {
            const auto threads = static_cast<int>(context.concurrency());
            if (at::get_num_threads() != threads) at::set_num_threads(threads);
        }
    };
};

} // namespace diamond::detail
