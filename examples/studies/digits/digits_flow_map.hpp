/// This header loads the joint flow map of the digits, which knows log p.
#pragma once

#include <filesystem>

#include <diamond/io/checkpoint.hpp>

#include "networks.hpp"

namespace digits {

template <class Context>
using digits_flow_map_on = diamond::io::mlp_flow_map<diamond::owning_batch<real, Context>>;
using digits_flow_map = digits_flow_map_on<diamond::eigen::context>;

/// Returns the file in a folder.
/// @throws diamond::io::file_error that says what to do if the file does not exist.
inline std::filesystem::path joint_file(const std::filesystem::path& folder) {
    auto path = network_file(folder, "joint");
    if (!std::filesystem::exists(path))
        throw diamond::io::file_error{
            path, "no such file, and densities are the joint flow map's: digits train --network joint --out "
                  "FOLDER makes one of the teacher that is there, and --weights FOLDER names it"};
    return path;
}

/// Loads the joint flow map.
/// @throws diamond::io::file_error if the file does not exist or holds no joint flow map on the linear
/// schedule; std::invalid_argument if the map is not one of digits.
template <class Context>
digits_flow_map_on<Context> load_joint(const Context& where, const std::filesystem::path& folder) {
    const auto path = joint_file(folder);
    auto result = diamond::io::load_flow_map<diamond::owning_batch<real, Context>>(where, path);
    diamond::require(
        result.dimension() == pixels && result.network().architecture().options().classes == classes, [&] {
            return path.string() + ": a joint flow map of dimension " + std::to_string(result.dimension()) +
                   " with " + std::to_string(result.network().architecture().options().classes) +
                   " classes is not one of digits";
        });
    return result;
}

} // namespace digits
