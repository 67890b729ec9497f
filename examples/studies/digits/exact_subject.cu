// The methods on the exact model, on a GPU.
#include <diamond/backend/cuda.cuh>

#include "exact_family.hpp"

namespace digits {

subject exact_subject_on_gpu(const images& train, double bandwidth) {
    return detail::make_exact(
        std::shared_ptr<const diamond::cuda::context>(new diamond::cuda::context{.device = 0}), train,
        bandwidth);
}

} // namespace digits
