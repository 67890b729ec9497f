// How the networks are trained.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <diamond/train/loss_curve.hpp>

#include "data_set.hpp"

namespace digits {

inline constexpr double default_bandwidth = 0.2;

struct training_options {
    double share               = 1.0; ///< of the usual number of steps
    index_t batch              = 1024, width = 288, blocks = 6;
    double rate                = 3e-3, bandwidth = default_bandwidth;
    std::uint64_t seed         = 1;
    index_t checkpoint         = 500; ///< steps between checkpoints
    bool resume                = true;
    std::filesystem::path out  = "out/digits/weights"; ///< where `taught` finds its teacher, too
};

/// A training that has come to its end: where it ran, and its losses, those of what an earlier run left among them.
struct training_result {
    std::string         device;
    diamond::loss_curve losses;
};

/// Trains the network of that name and writes it to `out`. @throws where there is no GPU: it never trains on the CPU instead.
training_result train_on_gpu(const images& train, const std::string& name, const training_options& options);

} // namespace digits
