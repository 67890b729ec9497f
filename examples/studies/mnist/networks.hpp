/// This header says which models of the digits there are, and reads them: U-Nets of one shape, all of which
/// start from the teacher's weights.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <diamond/io/checkpoint.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/nn/unet.hpp>

#include "classifier.hpp"

namespace mnist {

using network = diamond::io::trained_graph_network<batch>;
using joint_map = diamond::io::graph_flow_map<batch>;

/// What a model is.
enum class model_kind { velocity, diamond_map, flow_map, joint_map };

/// This type names a model and says what it is.
struct model {
    std::string_view name, title;
    model_kind kind;
    double steps; ///< of its training at full share
};

/// The models, the teacher of the others first.
inline constexpr model models[] = {
    {"teacher", "flow matching", model_kind::velocity, 12'000},
    {"taught", "Diamond map from the teacher", model_kind::diamond_map, 3'500},
    {"lagrangian", "LSD-F2D2", model_kind::joint_map, 3'000},
    {"diamond", "Diamond map without a teacher", model_kind::diamond_map, 3'000},
    {"shortcut_distill", "Shortcut-Distill-F2D2", model_kind::joint_map, 2'500},
    {"mean_flow", "MeanFlow-F2D2", model_kind::joint_map, 2'500},
    {"shortcut", "Shortcut-F2D2", model_kind::joint_map, 2'500},
    {"eulerian", "Eulerian flow map", model_kind::flow_map, 2'000},
};

inline std::vector<std::string> model_names() {
    std::vector<std::string> result;
    for (const auto& each : models) result.emplace_back(each.name);
    return result;
}
inline std::filesystem::path model_file(const std::filesystem::path& folder, std::string_view name) {
    return folder / (std::string(name) + ".safetensors");
}

/// Returns the shape of every U-Net: patches of 2 x 2 pixels are the pixels of its finest map, 14 x 14, below
/// which is one of 7 x 7 with attention.
inline diamond::unet_options unet_shape(index_t width) {
    return {
        .shape = shape, .patch = 2, .width = width, .multipliers = {2, 3}, .attention = {7}, .embedding = 64};
}

namespace detail {
/// @throws std::invalid_argument that names the file unless the dimension is that of images.
inline void require_of_images(const std::filesystem::path& file, index_t dimension) {
    diamond::require(dimension == pixels, [&] {
        return file.string() + ": a network of dimension " + std::to_string(dimension) +
               " is not one of 28 x 28 images";
    });
}
} // namespace detail

/// Reads the teacher, a Diamond map or a flow map without divergence. @throws diamond::io::file_error as
/// load_graph_network does; std::invalid_argument if it is not one of such images.
inline network load_network(const context& where, const std::filesystem::path& folder,
                            std::string_view name) {
    auto result = diamond::io::load_graph_network<batch>(where, model_file(folder, name));
    detail::require_of_images(model_file(folder, name), result.dimension());
    return result;
}
/// Reads a joint map. @throws as load_network does.
inline joint_map load_joint_map(const context& where, const std::filesystem::path& folder,
                                std::string_view name) {
    auto result = diamond::io::load_graph_flow_map<batch>(where, model_file(folder, name));
    detail::require_of_images(model_file(folder, name), result.dimension());
    return result;
}

} // namespace mnist
