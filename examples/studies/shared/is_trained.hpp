/// This header says whether a training was finished before.
#pragma once

#include <filesystem>
#include <string>

#include <diamond/io/safetensors.hpp>

namespace studies {

/// Returns whether a file already holds a network that was trained to the end in this way. If so, it removes
/// the last checkpoint, NAME.training beside NAME.safetensors, which is left where the training was killed
/// right after it wrote the file.
inline bool is_trained(const std::filesystem::path& file, const std::string& setting) {
    if (!std::filesystem::exists(file)) return false;
    const diamond::io::safetensors_reader reader{file};
    const auto& metadata = reader.header().metadata;
    const auto found = metadata.find("setting");
    if (found == metadata.end() || found->second != setting) return false;
    auto checkpoint = file;
    std::filesystem::remove(checkpoint.replace_extension(".training"));
    return true;
}

} // namespace studies
