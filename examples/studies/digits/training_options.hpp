/// This header defines how the networks are trained.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <diamond/train/training_state.hpp>

#include "data_set.hpp"

namespace digits {

inline constexpr double default_bandwidth = 0.2;

struct training_options {
    double share = 1.0; ///< a share of the usual number of steps
    index_t batch = 1024, width = 288, blocks = 6;
    double rate = 3e-3, bandwidth = default_bandwidth;
    std::uint64_t seed = 1;
    index_t checkpoint = 500; ///< steps between checkpoints
    bool resume = true;
    std::filesystem::path out = "out/digits/weights"; ///< where `taught` finds its teacher, too
};

/// This type describes a finished training: where it ran, and its losses, including those of an earlier run
/// that it continued.
struct training_result {
    std::string device;
    diamond::loss_curve losses;
};

/// Trains the network of this name and writes it to `out`.
/// @throws diamond::cuda::error or std::runtime_error if there is no GPU; it never trains on the CPU instead.
training_result train_on_gpu(const images& train, const std::string& name, const training_options& options);

} // namespace digits
