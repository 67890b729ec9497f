// The learned models: Diamond networks on 8 x 8 digits with labels, one of them trained as the teacher of the others' kind.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>

#include "data_set.hpp"

namespace digits {

using batch        = diamond::eigen::batch<real>;
using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using network      = diamond::trained_diamond_network<architecture>;

/// What is trained. `teacher`: velocities of the data by flow matching; `diamond`: a Diamond map from the data alone; `taught`: one distilled
/// from the teacher through GLASS.
inline const std::vector<std::string>& network_names() {
    static const std::vector<std::string> names{"teacher", "diamond", "taught"};
    return names;
}
inline std::filesystem::path network_file(const std::filesystem::path& folder, const std::string& name) { return folder / (name + ".safetensors"); }

/// @throws diamond::io::file_error where the file is not there or is not such a network, std::invalid_argument where it is not one of digits.
inline network load_network(const diamond::eigen::context& where, const std::filesystem::path& folder, const std::string& name) {
    auto result = diamond::io::load_diamond_network<batch>(where, network_file(folder, name));
    diamond::require(result.dimension() == pixels && result.architecture().options().classes == classes, [&] {
        return network_file(folder, name).string() + ": a network of dimension " + std::to_string(result.dimension()) + " with " +
               std::to_string(result.architecture().options().classes) + " classes is not one of digits";
    });
    return result;
}

} // namespace digits
