/// Layers that work number by number: activations, and sums of feature maps.
#pragma once

#include <diamond/core/dense.hpp>
#include <diamond/nn/layers/layer.hpp>

namespace diamond {

/// The layer y = f(x), number by number, for the activations f of core/dense.hpp.
struct activation_layer {
    static constexpr std::string_view name = "activation";
    activation kind = activation::silu; ///< f

    template <class Visit>
    void fields(const Visit& visit) {
        visit("kind", kind);
    }
    /// @throws std::invalid_argument for an activation that is none of the library's.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        const int number = static_cast<int>(kind);
        require(number >= 0 && number < activations,
                [&] { return "an activation " + digits_of(number) + ": it is none of ours"; });
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape> from, index_t images, index_t parts) const {
        return parts * from[0].part(images);
    }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        call.lane.activate(kind, call.in[0], static_cast<const Real*>(nullptr), call.out, call.part(),
                           call.parts);
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        if (!call.to[0]) return;
        Real* const to = call.adds[0] ? call.scratch : call.to[0];
        call.lane.copy(call.in[0], call.parts * call.part(), to);
        call.lane.pull_back(kind, static_cast<const Real*>(call.k), to, call.part(), call.parts);
        if (call.adds[0]) call.give(0, to);
    }
};

/// The layer y = x_1 + x_2, of two feature maps of one shape: a residual connection.
struct sum_layer {
    static constexpr std::string_view name = "sum";

    template <class Visit>
    void fields(const Visit&) {}
    /// @throws std::invalid_argument unless both have one shape.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 2);
        require(from[0] == from[1], [&] {
            return "a sum of feature maps of " + to_string(from[0]) + " and " + to_string(from[1]) +
                   ": they must have one shape";
        });
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        call.lane.activate(activation::identity, call.in[0], call.in[1], call.out, call.parts * call.part(),
                           index_t{1});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        call.give(0, call.k);
        call.give(1, call.k);
    }
};

} // namespace diamond
