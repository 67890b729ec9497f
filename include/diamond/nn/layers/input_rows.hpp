/// What a graph of layers begins with: rows of its input, as a feature map.
#pragma once

#include <diamond/nn/layers/layer.hpp>

namespace diamond {

namespace detail {
/// Copies rows of a batch to a feature map: element (c, pixel) of an image is the row c pixels + pixel behind
/// the first of its column. What stands behind the images becomes 0.
template <class Real>
struct rows_to_map {
    static constexpr index_t relative_cost = 4;
    feature_shape shape;
    index_t rows, first, images; ///< rows of the batch
    const Real* from;
    Real* to;
    DIAMOND_HD void operator()(index_t c, index_t j) const {
        const index_t image = j / shape.pixels(), pixel = j % shape.pixels();
        to[c + shape.channels * j] = image < images ? from[first + c * shape.pixels() + pixel + rows * image]
                                                    : Real{0};
    }
};
/// Copies a feature map back to rows of a batch, or adds it to them.
template <class Real>
struct map_to_rows {
    static constexpr index_t relative_cost = 4;
    feature_shape shape;
    index_t rows, first;
    bool add;
    const Real* from;
    Real* to;
    DIAMOND_HD void operator()(index_t c, index_t j) const {
        const index_t image = j / shape.pixels(), pixel = j % shape.pixels();
        Real& at = to[first + c * shape.pixels() + pixel + rows * image];
        const Real value = from[c + shape.channels * j];
        at = add ? at + value : value;
    }
};
} // namespace detail

/// Makes a feature map of rows of the graph's input, as image_shape (core/image_shape.hpp) orders them: the
/// channel is the outermost index of a column of the batch.
struct input_rows {
    static constexpr std::string_view name = "input";
    index_t first = 0;        ///< the first of the rows
    feature_shape shape = {}; ///< of the map

    template <class Visit>
    void fields(const Visit& visit) {
        visit("first", first);
        visit("channels", shape.channels);
        visit("height", shape.height);
        visit("width", shape.width);
    }
    /// @throws std::invalid_argument for extents below 1.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 0);
        require(first >= 0 && shape.channels > 0 && shape.height > 0 && shape.width > 0, [&] {
            return "a graph's input of " + to_string(shape) + " from row " + digits_of(first) +
                   " on: 1 or more of each are needed, from a row of 0 or more";
        });
        return shape;
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}
};

} // namespace diamond
