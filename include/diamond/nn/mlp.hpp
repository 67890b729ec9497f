/// This file makes the layers and the first parameters of multilayer perceptrons with residual blocks.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <diamond/core/dense.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/nn/dense_stack.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

/// Describes the shape of a multilayer perceptron.
struct mlp_options {
    index_t width = 256; ///< rows of the hidden states, 1 to most_width
    index_t blocks = 4;  ///< number of residual layers h + f(W norm(h) + b), 0 to most_blocks
    activation nonlinearity = activation::silu; ///< the f of all layers but the last
    normalisation norm = normalisation::none;   ///< the norm before W of all layers but the first
    double norm_epsilon = 1e-5;                 ///< what the norm adds to a variance, see column_norm
};

/// These are the bounds of width and blocks, with which the number of all weights, 2^24 squared 2^12 times,
/// is still an index.
inline constexpr index_t most_width = index_t{1} << 24, most_blocks = index_t{1} << 12;

/// Returns the layers of an MLP: inputs -> width, `blocks` residual layers, and width -> outputs without an
/// activation; all but the first have the norm before them. @throws std::invalid_argument with the number
/// that is out of range.
[[nodiscard]] inline std::vector<dense_layer> mlp_layers(index_t inputs, index_t outputs,
                                                         const mlp_options& options) {
    require(options.width >= 1 && options.width <= most_width, [&] {
        return "an MLP's width is " + digits_of(options.width) + ": 1 to " + digits_of(most_width) +
               " is needed";
    });
    require(options.blocks >= 0 && options.blocks <= most_blocks, [&] {
        return "an MLP's blocks are " + digits_of(options.blocks) + ": 0 to " + digits_of(most_blocks) +
               " are needed";
    });
    const int kind = static_cast<int>(options.nonlinearity);
    require(kind >= 0 && kind < activations,
            [&] { return "an MLP's nonlinearity is " + digits_of(kind) + ": it is none of ours"; });
    const int norm = static_cast<int>(options.norm);
    require(norm >= 0 && norm < normalisations,
            [&] { return "an MLP's norm is " + digits_of(norm) + ": it is none of ours"; });
    const column_norm before{.kind = options.norm, .epsilon = options.norm_epsilon};
    std::vector<dense_layer> layers{{inputs, options.width, options.nonlinearity, false}};
    for (index_t block = 0; block < options.blocks; ++block)
        layers.push_back({options.width, options.width, options.nonlinearity, true, before});
    layers.push_back({options.width, outputs, activation::identity, false, before});
    return layers;
}

/// Writes a network's first parameters: weights N(0, 1/inputs), biases 0 and norms' gains 1, and the weights
/// of the last layer 0, so that the network starts at the model whose residual it is. theta has
/// stack.parameters() numbers.
template <class Batch>
void initialise(const dense_stack<Batch>& stack, philox rng, view_t<Batch> theta) {
    set_to_zero(theta);
    const auto& layers = stack.layers();
    const auto write_ones = [&](const column_norm& norm, index_t rows) {
        if (norm)
            assign(view_t<Batch>(theta.data() + norm.offset, rows, 1, &theta.context()),
                   constant_number{1.0});
    };
    for (const dense_layer& layer : layers) {
        write_ones(layer.before, layer.inputs);
        write_ones(layer.after, layer.outputs);
    }
    for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        const dense_layer& layer = layers[l];
        const view_t<Batch> weights(theta.data() + layer.offset, layer.outputs, layer.inputs,
                                    &theta.context());
        draw_normal(rng.stream(purpose::user, static_cast<index_t>(l)), weights);
        assign(weights, weights / std::sqrt(static_cast<double>(layer.inputs)));
    }
}

} // namespace diamond
