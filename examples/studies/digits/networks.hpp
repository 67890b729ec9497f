/// This header loads the learned models: Diamond networks on 8 x 8 digits with labels, one of which is
/// trained to be the teacher of the others.
#pragma once

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "training_options.hpp"

namespace digits {

using batch = diamond::eigen::batch<real>;
using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using network = diamond::trained_network<architecture>;
template <class Context>
using network_on = diamond::trained_network<
    diamond::diamond_mlp<diamond::owning_batch<real, Context>, diamond::linear_schedule>>;

/// Returns the names of what is trained. `teacher` is the velocity of the data by flow matching, `diamond` a
/// Diamond map from the data alone, and `taught` one distilled from the teacher through GLASS.
inline const std::vector<std::string>& network_names() {
    static const std::vector<std::string> names{"teacher", "diamond", "taught"};
    return names;
}
inline std::filesystem::path network_file(const std::filesystem::path& folder, const std::string& name) {
    return folder / (name + ".safetensors");
}

/// Loads a network.
/// @throws diamond::io::file_error if the file does not exist or holds no such network; std::invalid_argument
/// if it is not one of digits.
template <class Context>
network_on<Context> load_network(const Context& where, const std::filesystem::path& folder,
                                 const std::string& name) {
    auto result = diamond::io::load_network<diamond::owning_batch<real, Context>>(where,
                                                                                  network_file(folder, name));
    diamond::require(result.dimension() == pixels && result.architecture().options().classes == classes, [&] {
        return network_file(folder, name).string() + ": a network of dimension " +
               std::to_string(result.dimension()) + " with " +
               std::to_string(result.architecture().options().classes) + " classes is not one of digits";
    });
    return result;
}

/// Returns the standard deviation h of the noise on the images on which a network was trained, if its file
/// states one.
/// @throws diamond::io::file_error if the file states no number above 0.
inline std::optional<double> bandwidth_of(const std::filesystem::path& path) {
    const auto file = diamond::io::read_safetensors(path);
    const auto found = file.metadata.find("bandwidth");
    if (found == file.metadata.end()) return std::nullopt;
    double value = NAN;
    const auto end = std::from_chars(found->second.data(), found->second.data() + found->second.size(),
                                     value);
    if (end.ec != std::errc{} || end.ptr != found->second.data() + found->second.size() ||
        !(value > 0.0 && std::isfinite(value)))
        throw diamond::io::file_error{file.path, "the metadata say bandwidth '" + found->second +
                                                     "', which is no number above 0"};
    return value;
}

/// Returns the h of networks that are used together. The exact model with this h, and no other, is their
/// truth.
/// @throws diamond::io::file_error if neither a file nor `asked` states one, or if two of them differ.
inline double trained_bandwidth(const std::filesystem::path& folder, const std::vector<std::string>& names,
                                std::optional<double> asked) {
    for (const auto& name : names) {
        const auto path = network_file(folder, name);
        const auto own = bandwidth_of(path);
        if (!own && !asked)
            throw diamond::io::file_error{path, "the metadata do not say 'bandwidth', the noise on the "
                                                "images it was trained on: say it with --bandwidth"};
        if (own && asked && *asked != *own) {
            throw diamond::io::file_error{
                path, "trained on images with noise of standard deviation " + diamond::digits_of(*own) +
                          ", not " + diamond::digits_of(*asked) +
                          ": leave --bandwidth out, or train networks with it (digits train --bandwidth " +
                          diamond::digits_of(*asked) + " --out FOLDER) and name them by --weights FOLDER"};
        }
        if (own) asked = own;
    }
    return asked.value_or(default_bandwidth);
}

} // namespace digits
