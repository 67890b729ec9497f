/// A diamond_unet is a Diamond network of images whose layers are a U-Net: convolutions at several
/// resolutions, of the family of DDPM++ and EDM.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/nn/detail/image_layers.hpp>

namespace diamond {

/// Describes the shape of a U-Net.
struct unet_options {
    image_shape shape = {}; ///< of the images
    /// The height and width of the patches of pixels that are one pixel of the finest map; 1 is the images'
    /// own resolution. A patch of 2 costs about half as much, and what a patch holds is known to each of its
    /// pixels (the patches of "simple diffusion", arXiv 2301.11093).
    index_t patch = 1;
    index_t width = 32; ///< the channels of a multiplier of 1
    /// The channels at each resolution, in units of the width, that of the patches first; each further one
    /// has half the height and width.
    std::vector<index_t> multipliers = {1, 2, 2};
    index_t blocks = 1; ///< residual blocks at each resolution on the way down; on the way up one more
    /// The heights of the maps behind whose residual blocks stands self-attention.
    std::vector<index_t> attention = {};
    index_t heads = 4;                          ///< of the attention
    index_t groups = 8;                         ///< of channels, in which maps are normalised
    index_t embedding = 128;                    ///< the width of the embedding of times and conditions
    activation nonlinearity = activation::silu; ///< f
    index_t classes = 0; ///< the labels 0 ... classes - 1; 0: the network takes no labels
};

namespace detail {
/// Builds the graph of a U-Net.
class unet_builder {
public:
    unet_builder(const unet_options& options, const network_rows& rows) : options_(options), rows_(rows) {
        constexpr const char* name = "a U-Net";
        require_option(name, "patch", options.patch);
        require_option(name, "width", options.width);
        require_option(name, "blocks", options.blocks);
        require_option(name, "heads", options.heads);
        require_option(name, "groups", options.groups);
        require_option(name, "embedding", options.embedding);
        require_activation(name, options.nonlinearity);
        require(!options.multipliers.empty() && options.multipliers.size() <= 16,
                "a U-Net has the multipliers of 1 to 16 resolutions");
        for (const index_t multiplier : options.multipliers) {
            require_option(name, "multiplier", multiplier);
            require((options.width * multiplier) % options.groups == 0, [&] {
                return "a U-Net of " + digits_of(options.width * multiplier) + " channels in " +
                       digits_of(options.groups) + " groups: these must divide the channels";
            });
        }
        require_extents(name, options.shape);
        const index_t shrinks = options.patch << (options.multipliers.size() - 1);
        const feature_shape image = map_of(options.shape, 1);
        require(image.height % shrinks == 0 && image.width % shrinks == 0, [&] {
            return "a U-Net of " + digits_of(options.multipliers.size()) + " resolutions for images of " +
                   to_string(options.shape) + ": height and width must be multiples of " + digits_of(shrinks);
        });
        for (const index_t height : options.attention) {
            bool found = false;
            for (std::size_t level = 0; level < options.multipliers.size(); ++level)
                if (image.height / options.patch >> level == height) {
                    found = true;
                    require(channels(level) % options.heads == 0, [&] {
                        return "a U-Net with attention of " + digits_of(options.heads) + " heads in " +
                               digits_of(channels(level)) +
                               " channels: these must be a multiple of the heads";
                    });
                }
            require(found, [&] {
                return "a U-Net with attention at height " + digits_of(height) +
                       ", which none of its resolutions has";
            });
        }
    }

    [[nodiscard]] layer_list<> operator()(bool divergence) {
        const index_t image_channels = static_cast<index_t>(options_.shape.channels);
        const std::size_t levels = options_.multipliers.size();
        index_t at = add_states(list_, options_.shape, rows_);
        embedding_ = add_embedding(list_, rows_, options_.embedding, options_.nonlinearity);
        struct map {
            index_t node, channels;
        };
        std::vector<map> skips;
        index_t now = channels(0); // the channels of `at`
        at = list_.add(options_.patch == 1 ? convolution{.outputs = now}
                                           : convolution{.outputs = now,
                                                         .kernel = options_.patch,
                                                         .stride = options_.patch,
                                                         .padding = 0},
                       at);
        skips.push_back({at, now});
        for (std::size_t level = 0; level < levels; ++level) {
            if (level > 0) {
                at = list_.add(convolution{.outputs = now, .stride = 2}, at);
                skips.push_back({at, now});
            }
            for (index_t block = 0; block < options_.blocks; ++block) {
                at = add_block(at, now, level);
                now = channels(level);
                skips.push_back({at, now});
            }
        }
        at = add_block(at, now, levels - 1);
        at = add_block(at, now, levels - 1, false);
        for (std::size_t level = levels; level-- > 0;) {
            for (index_t block = 0; block <= options_.blocks; ++block) {
                const map skip = skips.back();
                skips.pop_back();
                at = add_block(list_.add(concatenation{}, at, skip.node), now + skip.channels, level);
                now = channels(level);
            }
            if (level > 0) {
                at = list_.add(up_sampling{}, at);
                at = list_.add(convolution{.outputs = now}, at);
            }
        }
        const index_t features = add_activation(add_norm(at));
        const index_t patch = options_.patch;
        at = list_.add(convolution{.outputs = image_channels * patch * patch, .gain = 0.0}, features);
        if (patch > 1) at = list_.add(pixel_shuffle{.factor = patch}, at);
        list_.outputs = {at};
        if (divergence)
            list_.outputs.push_back(
                add_divergence(list_, features, options_.embedding, options_.nonlinearity));
        return std::move(list_);
    }

private:
    [[nodiscard]] index_t channels(std::size_t level) const {
        return options_.width * options_.multipliers[level];
    }
    [[nodiscard]] bool attends(std::size_t level) const {
        const index_t height = static_cast<index_t>(options_.shape.height) / options_.patch >> level;
        return std::ranges::find(options_.attention, height) != options_.attention.end();
    }
    index_t add_norm(index_t at) { return list_.add(group_norm{.groups = options_.groups}, at); }
    index_t add_activation(index_t at) {
        return list_.add(activation_layer{.kind = options_.nonlinearity}, at);
    }
    /// Adds a residual block from `from` channels to those of the level, and the attention behind it.
    index_t add_block(index_t x, index_t from, std::size_t level, bool attention = true) {
        const index_t to = channels(level);
        index_t h = list_.add(convolution{.outputs = to}, add_activation(add_norm(x)));
        const index_t acting = list_.add(dense_on_pixels(2 * to), embedding_);
        h = add_activation(list_.add(modulation{}, add_norm(h), acting));
        h = list_.add(convolution{.outputs = to, .gain = 0.0}, h);
        const index_t skip = from == to ? x : list_.add(dense_on_pixels(to), x);
        h = list_.add(sum_layer{}, skip, h);
        if (!attention || !attends(level)) return h;
        index_t a = list_.add(dense_on_pixels(3 * to), add_norm(h));
        a = list_.add(self_attention{.heads = options_.heads}, a);
        a = list_.add(dense_on_pixels(to, 0.0), a);
        return list_.add(sum_layer{}, h, a);
    }

    const unet_options& options_;
    network_rows rows_;
    layer_list<> list_;
    index_t embedding_ = 0;
};
} // namespace detail

/// Returns the layers of a U-Net for a preconditioned_network whose input is laid out as `rows`.
///
/// A residual block is norm, f, 3 x 3 convolution, norm, modulation by a dense layer of the embedding, f, 3 x
/// 3 convolution that begins as 0, added to the block's input or, where channels change, a dense layer of its
/// pixels; norms are of groups of channels. On the way down a convolution of stride 2 halves a map, on the
/// way up each pixel becomes four and a convolution follows, and each block reads the map of the way down
/// beside its own. The last convolution begins as 0, so that the network begins as its frame's Gaussian. With
/// `divergence` a second output, one row, is made of the mean of the last features.
/// @throws std::invalid_argument with the option that is out of range.
[[nodiscard]] inline layer_list<> unet_layers(const unet_options& options, const network_rows& rows,
                                              bool divergence = false) {
    return detail::unet_builder(options, rows)(divergence);
}

/// A diamond_unet is a preconditioned_network whose layers are a U-Net of unet_options.
/// Cost: one evaluation a column; a tangent is one jvp.
template <class Batch, class Schedule, class Head = no_head>
class diamond_unet : public preconditioned_network<layer_graph<Batch>, Schedule, Head> {
    using base = preconditioned_network<layer_graph<Batch>, Schedule, Head>;

public:
    /// A network without a vector condition. @throws std::invalid_argument where an option is out of range,
    /// or schedule or head are none.
    diamond_unet(Schedule schedule, const gaussian_frame<Batch>& frame, unet_options options, Head head = {})
        : diamond_unet(std::move(schedule), frame, std::nullopt, std::move(options), head) {}
    /// A network that takes a vector of of_vectors->dimension() numbers, in units of that frame, or none
    /// where there is no such frame. @throws as above.
    diamond_unet(Schedule schedule, const gaussian_frame<Batch>& frame,
                 const std::optional<gaussian_frame<Batch>>& of_vectors, unet_options options, Head head = {})
        : base(std::move(schedule), frame, of_vectors, options.classes,
               graph_of(frame.dimension(), of_vectors, options), head),
          options_(std::move(options)) {}

    /// Returns the layers' shape and the number of classes, as the constructor was given them.
    [[nodiscard]] const unet_options& options() const { return options_; }

private:
    static layer_graph<Batch> graph_of(index_t d, const std::optional<gaussian_frame<Batch>>& of_vectors,
                                       const unet_options& options) {
        const network_rows rows{.dimension = d,
                                .classes = options.classes,
                                .vector_size = of_vectors ? of_vectors->dimension() : 0};
        return {rows.total(), unet_layers(options, rows, Head::rows == 1)};
    }

    unet_options options_;
};

} // namespace diamond
