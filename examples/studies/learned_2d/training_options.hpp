/// This header says how a network of the plane is trained, and what training leaves: host numbers, whatever
/// device it ran on.
#pragma once

#include <string>
#include <vector>

#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/random/philox.hpp>
#include <diamond/train/training_state.hpp>

namespace learned {

using diamond::index_t;

struct training_options {
    index_t steps = 10000, batch = 512, width = 128, blocks = 3;
    double rate = 5e-3;
};

inline diamond::diamond_mlp_options shape_of(const training_options& chosen) {
    return {.mlp = {.width = chosen.width, .blocks = chosen.blocks}};
}

struct training_result {
    std::string device;
    diamond::gaussian_frame_numbers frame;
    std::vector<float> parameters;
    diamond::loss_curve losses;
    double seconds = 0.0;
};

/// Trains from points {x, y, x, y, ...}.
/// @throws diamond::cuda::error or std::runtime_error if there is no GPU; it never trains on the CPU instead.
training_result train_on_gpu(const std::string& name, const std::vector<float>& points,
                             const training_options& chosen, diamond::philox rng);

} // namespace learned
