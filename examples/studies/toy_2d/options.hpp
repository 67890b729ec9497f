/// This header defines the options of toy_2d and what it finds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/core/scalar.hpp>

namespace toy {

using diamond::index_t;

struct options {
    index_t particles = 2000;
    index_t steps = 16;
    std::uint64_t seed = 1;
    index_t seeds = 1;
    std::filesystem::path out = "out/toy_2d";
};

/// This type holds what was found about the samplers.
struct findings {
    struct line {
        std::string model, sampler;
        double energy_distance, evaluations; ///< the evaluations are those of one particle
    };
    std::string device; ///< the device on which they ran
    std::vector<line> samplers;
};

/// Draws all pictures on a GPU.
/// @throws diamond::cuda::error or std::runtime_error if there is no GPU; it never runs on the CPU instead.
findings draw_on_gpu(const options& chosen);

} // namespace toy
