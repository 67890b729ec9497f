/// A learned number for each channel and pixel, by which attention tells pixels apart.
#pragma once

#include <diamond/nn/layers/layer.hpp>

namespace diamond {

namespace detail {
/// Adds one image's worth of numbers to the maps of all images.
template <class Real>
struct add_to_images {
    static constexpr index_t relative_cost = 2;
    index_t size; ///< of an image's map
    const Real *from, *numbers;
    Real* to;
    DIAMOND_HD void operator()(index_t i, index_t image) const {
        to[i + size * image] = from[i + size * image] + numbers[i];
    }
};
} // namespace detail

/// The layer y = x + theta, with one learned number for each channel and pixel, the same for all images. In
/// files theta is the table of a PyTorch Embedding, pixels x channels, with the pixel x + width y; a training
/// begins with normal draws of a small deviation, as vision transformers do.
struct position_embedding {
    static constexpr std::string_view name = "position_embedding";
    double deviation = 0.02; ///< of the first numbers; a file does not keep it

    template <class Visit>
    void fields(const Visit&) {}
    /// @throws std::invalid_argument for a deviation that is negative or not finite.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(deviation >= 0.0 && std::isfinite(deviation), [&] {
            return "a position embedding of deviation " + digits_of(deviation) +
                   ": a finite one of 0 or more is needed";
        });
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape> from) const {
        return {{.name = "weight",
                 .shape = {from[0].pixels(), from[0].channels},
                 .strides = {from[0].channels, 1},
                 .deviation = deviation}};
    }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        call.lane.for_each(
            call.shape.size(), call.images,
            detail::add_to_images<Real>{
                .size = call.shape.size(), .from = call.in[0], .numbers = call.theta, .to = call.out});
        if (call.parts == 2) call.lane.copy(call.in[0] + call.part(), call.part(), call.out + call.part());
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        if (call.gradient)
            call.lane.add_columns(static_cast<const Real*>(call.k), call.shape.size(), call.images,
                                  call.gradient);
        call.give(0, call.k);
    }
};

} // namespace diamond
