// The methods on the learned model, on a GPU.
#include <diamond/backend/cuda.cuh>

#include "learned_family.hpp"

namespace digits {

subject learned_subject_on_gpu(const learned_settings& settings) {
    return detail::make_learned(
        std::shared_ptr<const diamond::cuda::context>(new diamond::cuda::context{.device = 0}), settings);
}

} // namespace digits
