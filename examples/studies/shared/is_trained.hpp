/// This header says whether a training was finished before.
#pragma once

#include <filesystem>
#include <string>

#include <diamond/io/safetensors.hpp>

namespace studies {

/// Returns whether a file already holds a network that was trained to the end in this way.
inline bool is_trained(const std::filesystem::path& file, const std::string& setting) {
    if (!std::filesystem::exists(file)) return false;
    const diamond::io::safetensors_reader reader{file};
    const auto& metadata = reader.header().metadata;
    const auto found = metadata.find("setting");
    return found != metadata.end() && found->second == setting;
}

} // namespace studies
