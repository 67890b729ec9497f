// What jax_unet.py is held against: the U-Net of image_steps.hpp as a graph that data describe
// (unet.safetensors), and a Diamond step and a training step of it with all that they drew.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "../image_steps.hpp"
#include "cases.hpp"

namespace peers {

using diamond_benchmarks::unet_on_threads;

/// Adds numbers laid out as the parameters are, a tensor each, in the shapes of PyTorch's modules.
template <class Graph>
void add_tensors(case_file& file, const std::string& prefix, const Graph& graph,
                 const std::vector<float>& numbers) {
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
        const auto& node = graph.nodes()[i];
        std::visit(
            [&](const auto& layer) {
                for (const diamond::layer_tensor& tensor : layer.tensors(node.shapes)) {
                    std::vector<float> own(static_cast<std::size_t>(tensor.size()));
                    for (index_t n = 0; n < tensor.size(); ++n) {
                        index_t rest = n, place = node.offset + tensor.offset;
                        for (std::size_t axis = tensor.shape.size(); axis-- > 0;) {
                            place += rest % tensor.shape[axis] * tensor.strides[axis];
                            rest /= tensor.shape[axis];
                        }
                        own[static_cast<std::size_t>(n)] = numbers[static_cast<std::size_t>(place)];
                    }
                    file.add(prefix + std::to_string(i) + "." + tensor.name, tensor.shape, own);
                }
            },
            node.layer);
    }
}
/// Returns the nodes as JSON: the layer's name, its fields and `from`.
template <class Graph>
std::string text_of(const Graph& graph) {
    std::string all;
    for (auto node : graph.nodes()) { // a copy, since fields may be written
        all += all.empty() ? "[" : ", ";
        std::visit(
            [&](auto& layer) {
                all += "{\"layer\": \"" + std::string(layer.name) + "\"";
                layer.fields([&](const char* name, auto& field) {
                    all += ", \"" + std::string(name) + "\": " + text(static_cast<double>(field));
                });
            },
            node.layer);
        std::string from;
        for (const index_t place : node.from) from += (from.empty() ? "" : ", ") + std::to_string(place);
        all += ", \"from\": [" + from + "]}";
    }
    return all + "]";
}
/// Writes the network and both cases, of few images.
inline void write_image_cases(const std::filesystem::path& folder) {
    constexpr index_t images = 16;
    const unet_on_threads on(2);
    const auto& graph = on.net.architecture().stack();
    case_file network;
    network.add_text("nodes", text_of(graph));
    add_tensors(network, "", graph, diamond::to_host(on.net.parameters()));
    network.write(folder / "unet.safetensors");

    step_case(on.context, on.net, images).write(folder / "step_unet.safetensors");
    std::vector<float> moment;
    auto training = training_case(on.context, on.net, images, &moment);
    add_tensors(training, "moment.", graph, moment);
    training.write(folder / "training_unet.safetensors");
}

} // namespace peers
