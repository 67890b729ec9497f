/// A diamond_dit is a Diamond network of images whose layers are a diffusion transformer: patches that attend
/// to one another, with norms modulated by time and condition, of the family of DiT and SiT.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <diamond/nn/detail/image_layers.hpp>

namespace diamond {

/// Describes the shape of a diffusion transformer.
struct dit_options {
    image_shape shape = {}; ///< of the images
    index_t patch = 2;      ///< the rows and columns of pixels of a token
    index_t width = 128;    ///< the channels of a token
    index_t blocks = 4;     ///< of attention and MLP
    index_t heads = 4;      ///< of the attention
    index_t expansion = 4;  ///< the width of the MLPs' hidden layers, in units of the width
    activation nonlinearity = activation::gelu; ///< of the MLPs; embeddings have SiLU
    index_t classes = 0; ///< the labels 0 ... classes - 1; 0: the network takes no labels
};

/// Returns the layers of a diffusion transformer for a preconditioned_network whose input is laid out as
/// `rows`.
///
/// Patches become tokens by a dense layer, and an embedding of their positions is added. A block is norm,
/// modulation, self-attention, dense, a gated sum with the block's input; and the same with an MLP in place
/// of the attention; scales, shifts and gates are a dense layer of the embedding of times and conditions,
/// which begins as 0 (adaLN-zero). At the end stand a norm, a modulation and a dense layer that begins as 0,
/// whose channels become the pixels of the patches. With `divergence` a second output, one row, is made of
/// the mean of the last tokens.
/// @throws std::invalid_argument with the option that is out of range.
[[nodiscard]] inline layer_list<> dit_layers(const dit_options& options, const network_rows& rows,
                                             bool divergence = false) {
    constexpr const char* name = "a DiT";
    detail::require_option(name, "patch", options.patch);
    detail::require_option(name, "width", options.width);
    detail::require_option(name, "blocks", options.blocks);
    detail::require_option(name, "heads", options.heads);
    detail::require_option(name, "expansion", options.expansion);
    detail::require_activation(name, options.nonlinearity);
    detail::require_extents(name, options.shape);
    const feature_shape image = detail::map_of(options.shape, 1);
    require(image.height % options.patch == 0 && image.width % options.patch == 0, [&] {
        return "a DiT of patches of " + digits_of(options.patch) + " pixels for images of " +
               to_string(options.shape) + ": height and width must be multiples of the patch";
    });
    const index_t width = options.width, channels = static_cast<index_t>(options.shape.channels);
    require(width % options.heads == 0, [&] {
        return "a DiT of width " + digits_of(width) + " and " + digits_of(options.heads) +
               " heads: the width must be a multiple of the heads";
    });
    layer_list<> list;
    const auto dense = [&](index_t from, index_t outputs, double gain = 1.0) {
        return list.add(detail::dense_on_pixels(outputs, gain), from);
    };
    const auto modulated = [&](index_t from, index_t by, index_t first) {
        return list.add(modulation{.first = first}, list.add(pixel_norm{.affine = false}, from), by);
    };
    index_t x = list.add(
        convolution{.outputs = width, .kernel = options.patch, .stride = options.patch, .padding = 0},
        detail::add_states(list, options.shape, rows));
    x = list.add(position_embedding{}, x);
    const index_t embedding = detail::add_embedding(list, rows, width, activation::silu);
    for (index_t block = 0; block < options.blocks; ++block) {
        const index_t acting = dense(embedding, 6 * width, 0.0); // scale, shift, gate, and these again
        index_t h = dense(modulated(x, acting, 0), 3 * width);
        h = dense(list.add(self_attention{.heads = options.heads}, h), width);
        x = list.add(gated_sum{.first = 2 * width}, x, h, acting);
        h = dense(modulated(x, acting, 3 * width), options.expansion * width);
        h = dense(list.add(activation_layer{.kind = options.nonlinearity}, h), width);
        x = list.add(gated_sum{.first = 5 * width}, x, h, acting);
    }
    const index_t features = modulated(x, dense(embedding, 2 * width, 0.0), 0);
    const index_t pixels = dense(features, channels * options.patch * options.patch, 0.0);
    list.outputs = {list.add(pixel_shuffle{.factor = options.patch}, pixels)};
    if (divergence)
        list.outputs.push_back(detail::add_divergence(list, features, width, options.nonlinearity));
    return list;
}

/// A diamond_dit is a preconditioned_network whose layers are a diffusion transformer of dit_options.
/// Cost: one evaluation a column; a tangent is one jvp.
template <class Batch, class Schedule, class Head = no_head>
class diamond_dit : public preconditioned_network<layer_graph<Batch>, Schedule, Head> {
    using base = preconditioned_network<layer_graph<Batch>, Schedule, Head>;

public:
    /// A network without a vector condition. @throws std::invalid_argument where an option is out of range,
    /// or schedule or head are none.
    diamond_dit(Schedule schedule, const gaussian_frame<Batch>& frame, dit_options options, Head head = {})
        : diamond_dit(std::move(schedule), frame, std::nullopt, options, head) {}
    /// A network that takes a vector of of_vectors->dimension() numbers, in units of that frame, or none
    /// where there is no such frame. @throws as above.
    diamond_dit(Schedule schedule, const gaussian_frame<Batch>& frame,
                const std::optional<gaussian_frame<Batch>>& of_vectors, dit_options options, Head head = {})
        : base(std::move(schedule), frame, of_vectors, options.classes,
               graph_of(frame.dimension(), of_vectors, options), head),
          options_(options) {}

    /// Returns the layers' shape and the number of classes, as the constructor was given them.
    [[nodiscard]] const dit_options& options() const { return options_; }

private:
    static layer_graph<Batch> graph_of(index_t d, const std::optional<gaussian_frame<Batch>>& of_vectors,
                                       const dit_options& options) {
        const network_rows rows{.dimension = d,
                                .classes = options.classes,
                                .vector_size = of_vectors ? of_vectors->dimension() : 0};
        return {rows.total(), dit_layers(options, rows, Head::rows == 1)};
    }

    dit_options options_;
};

} // namespace diamond
