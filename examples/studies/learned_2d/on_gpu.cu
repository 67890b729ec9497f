// Training on a GPU.
#include <diamond/backend/cuda.cuh>

#include "training.hpp"

namespace learned {

training_result train_on_gpu(const std::string& name, const std::vector<float>& points,
                             const training_options& chosen, diamond::philox rng) {
    return train(diamond::cuda::context{.device = 0}, name, points, chosen, rng);
}

} // namespace learned
