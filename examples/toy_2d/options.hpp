// What toy_2d may be told, and what it finds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/core/scalar.hpp>

namespace toy {

using diamond::index_t;

struct options {
    index_t particles         = 2000;
    index_t steps             = 16;
    std::uint64_t seed        = 1;
    std::filesystem::path out = "out/toy_2d";
};

/// What was found of the samplers.
struct findings {
    struct line {
        std::string model, sampler;
        double energy_distance, evaluations; ///< evaluations a particle
    };
    std::string device; ///< where they ran
    std::vector<line> samplers;
};

/// @throws where there is no GPU: it never runs on the CPU instead.
findings draw_on_gpu(const options& chosen);

} // namespace toy
