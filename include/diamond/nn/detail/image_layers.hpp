/// Pieces that the graphs of image networks share: dense layers on each pixel, the embedding of times and
/// conditions, the end of a divergence head.
#pragma once

#include <diamond/core/image_shape.hpp>
#include <diamond/nn/preconditioned_network.hpp>

namespace diamond::detail {

/// Returns the shape of a map with the pixels of an image.
[[nodiscard]] inline feature_shape map_of(const image_shape& image, index_t channels) {
    return {.channels = channels,
            .height = static_cast<index_t>(image.height),
            .width = static_cast<index_t>(image.width)};
}
/// Returns the dense layer on each pixel.
[[nodiscard]] inline convolution dense_on_pixels(index_t outputs, double gain = 1.0) {
    return {.outputs = outputs, .kernel = 1, .stride = 1, .padding = 0, .gain = gain};
}
/// Adds the map of e and g, whose channels are those of e and behind them those of g. @throws
/// std::invalid_argument unless the network's dimension is that of the images.
[[nodiscard]] inline index_t add_states(layer_list<>& list, const image_shape& image,
                                        const network_rows& rows) {
    require(static_cast<index_t>(image.size()) == rows.dimension, [&] {
        return "a network of dimension " + digits_of(rows.dimension) + " for images of " + to_string(image) +
               ": they have one number for each channel and pixel";
    });
    return list.add(input_rows{.first = 0, .shape = map_of(image, 2 * static_cast<index_t>(image.channels))});
}
/// Adds the embedding of times, label and vector: dense, f, dense, f, a map of one pixel.
[[nodiscard]] inline index_t add_embedding(layer_list<>& list, const network_rows& rows, index_t width,
                                           activation kind) {
    index_t at = list.add(input_rows{.first = rows.first_condition(), .shape = {rows.conditions(), 1, 1}});
    for (int layer = 0; layer < 2; ++layer) {
        at = list.add(dense_on_pixels(width), at);
        at = list.add(activation_layer{.kind = kind}, at);
    }
    return at;
}
/// Adds the row of a divergence head, made of a map of features: their mean over the pixels, dense, f, dense.
[[nodiscard]] inline index_t add_divergence(layer_list<>& list, index_t features, index_t width,
                                            activation kind) {
    index_t at = list.add(average_pooling{.size = 0}, features);
    at = list.add(dense_on_pixels(width), at);
    at = list.add(activation_layer{.kind = kind}, at);
    return list.add(dense_on_pixels(1, 0.0), at);
}
/// @throws std::invalid_argument, with the option's name and number, unless it is 1 to 2^20.
inline void require_option(const char* network, const char* name, index_t number) {
    constexpr index_t most = index_t{1} << 20; // products of two stay far from overflow
    require(number >= 1 && number <= most, [&] {
        return std::string(network) + " of " + name + " " + digits_of(number) + ": 1 to " + digits_of(most) +
               " is needed";
    });
}
/// @throws std::invalid_argument for images of no extent.
inline void require_extents(const char* network, const image_shape& shape) {
    require(shape.size() > 0, [&] {
        return std::string(network) + " for images of " + to_string(shape) +
               ": give shape with 1 or more of each";
    });
}
/// @throws std::invalid_argument unless an activation is one of the library's.
inline void require_activation(const char* network, activation kind) {
    const int number = static_cast<int>(kind);
    require(number >= 0 && number < activations, [&] {
        return std::string(network) + " of nonlinearity " + digits_of(number) + ": it is none of ours";
    });
}

} // namespace diamond::detail
