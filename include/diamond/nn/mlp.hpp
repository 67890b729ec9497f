/// Multilayer perceptrons with residual blocks: their layers, and how their parameters start.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <diamond/core/combine.hpp>
#include <diamond/core/dense.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/nn/dense_stack.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

struct mlp_options {
    index_t width           = 256;
    index_t blocks          = 4; ///< residual layers h + f(W h + b)
    activation nonlinearity = activation::silu;
};

// So that the number of all weights is one: 2^24 squared, 2^12 times.
inline constexpr index_t most_width = index_t{1} << 24, most_blocks = index_t{1} << 12;

/// inputs -> width, `blocks` residual layers, width -> outputs without an activation. @throws std::invalid_argument with the number of what is out of range.
[[nodiscard]] inline std::vector<dense_layer> mlp_layers(index_t inputs, index_t outputs, const mlp_options& options) {
    require(options.width >= 1 && options.width <= most_width, [&] { return "an MLP's width is " + digits_of(options.width) + ": 1 to " + digits_of(most_width) + " is needed"; });
    require(options.blocks >= 0 && options.blocks <= most_blocks, [&] { return "an MLP's blocks are " + digits_of(options.blocks) + ": 0 to " + digits_of(most_blocks) + " are needed"; });
    require(options.nonlinearity == activation::identity || options.nonlinearity == activation::silu || options.nonlinearity == activation::gelu,
            [&] { return "an MLP's nonlinearity is " + digits_of(static_cast<int>(options.nonlinearity)) + ": it is none of ours"; });
    std::vector<dense_layer> layers{{inputs, options.width, options.nonlinearity, false}};
    for (index_t block = 0; block < options.blocks; ++block) layers.push_back({options.width, options.width, options.nonlinearity, true});
    layers.push_back({options.width, outputs, activation::identity, false});
    return layers;
}

namespace detail {
template <class Real>
struct scale_each {
    Real* x;
    Real factor;
    DIAMOND_HD void operator()(index_t i) const { x[i] *= factor; }
};
} // namespace detail

/// Weights N(0, 1/inputs), biases 0; the last layer all 0, so that a network starts as what it is the residual of.
template <class Batch>
void initialise(const dense_stack<Batch>& stack, philox rng, view_t<Batch> theta) {
    using real          = typename Batch::value_type;
    const auto& context = theta.context();
    context.for_each(theta.size(), detail::set_to_zero<real>{theta.data()});
    const auto& layers = stack.layers();
    for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        const dense_layer& layer = layers[l];
        draw_normal(rng.stream(purpose::user, static_cast<index_t>(l)),
                    view_t<Batch>(theta.data() + layer.offset, layer.outputs, layer.inputs, &context));
        context.for_each(layer.outputs * layer.inputs,
                         detail::scale_each<real>{theta.data() + layer.offset, static_cast<real>(1.0 / std::sqrt(static_cast<double>(layer.inputs)))});
    }
}

} // namespace diamond
