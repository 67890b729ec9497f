// Training on a GPU.
#include <diamond/backend/cuda.cuh>

#include "flow_map_training.hpp"

namespace digits {

training_result train_on_gpu(const images& train, const std::string& name, const training_options& options) {
    return train_by_name(diamond::cuda::context{.device = 0}, train, name, options);
}

} // namespace digits
