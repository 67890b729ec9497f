/// This header defines the settings that all parts of the study have.
#pragma once

#include <cstdint>
#include <filesystem>

namespace mnist {

/// The settings that all parts have.
struct study_settings {
    std::filesystem::path data = {}, weights = {}, out = "out/mnist";
    std::uint64_t seed = 1;
    int threads = 0;
};

} // namespace mnist
