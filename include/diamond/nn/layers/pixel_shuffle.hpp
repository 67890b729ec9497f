/// Makes squares of pixels of the channels of one, as where patches become an image again.
#pragma once

#include <diamond/nn/layers/layer.hpp>

namespace diamond {

namespace detail {
/// Copies rows of pixels from the channels of a map to squares of pixels: f(ky, row) row ky of the squares
/// that the pixels of a row become, of all rows of all images.
template <class Real>
struct shuffle_rows {
    static constexpr index_t relative_cost = 64;
    index_t channels, width, factor; ///< the channels of the squares, and the pixels of a row before
    const Real* from;
    Real* to;
    DIAMOND_HD void operator()(index_t ky, index_t row) const {
        const index_t square = factor * factor;
        const Real* read = from + channels * square * width * row + factor * ky;
        Real* write = to + channels * factor * width * (factor * row + ky);
        for (index_t x = 0; x < width; ++x, read += channels * square)
            for (index_t kx = 0; kx < factor; ++kx, write += channels)
                for (index_t c = 0; c < channels; ++c) write[c] = read[square * c + kx];
    }
};
/// Copies squares of pixels back to channels, or adds them there.
template <class Real>
struct unshuffle_rows {
    static constexpr index_t relative_cost = 64;
    index_t channels, width, factor;
    bool add;
    const Real* from;
    Real* to;
    DIAMOND_HD void operator()(index_t ky, index_t row) const {
        const index_t square = factor * factor;
        const Real* read = from + channels * factor * width * (factor * row + ky);
        Real* write = to + channels * square * width * row + factor * ky;
        for (index_t x = 0; x < width; ++x, write += channels * square)
            for (index_t kx = 0; kx < factor; ++kx, read += channels)
                for (index_t c = 0; c < channels; ++c) {
                    Real& at = write[square * c + kx];
                    at = add ? at + read[c] : read[c];
                }
    }
};
} // namespace detail

/// The layer y(c, f y + i, f x + j) = x(f f c + f i + j, y, x): each pixel becomes a square of f x f of them,
/// in the order of PyTorch's PixelShuffle. Behind a convolution of kernel 1 it gives an image of the tokens
/// of patches of f x f pixels.
struct pixel_shuffle {
    static constexpr std::string_view name = "pixel_shuffle";
    index_t factor = 2; ///< f

    template <class Visit>
    void fields(const Visit& visit) {
        visit("factor", factor);
    }
    /// @throws std::invalid_argument unless the channels are a multiple of f f.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(factor > 0 && factor <= from[0].channels && from[0].channels % (factor * factor) == 0, [&] {
            return "a pixel shuffle of factor " + digits_of(factor) + " of a feature map of " +
                   to_string(from[0]) +
                   ": its channels are a multiple of the factor's square, and that is 1 or more";
        });
        return {from[0].channels / (factor * factor), factor * from[0].height, factor * from[0].width};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        for (index_t part = 0; part < call.parts; ++part)
            call.lane.for_each(factor, call.from[0].height * call.images,
                               detail::shuffle_rows<Real>{.channels = call.shape.channels,
                                                          .width = call.from[0].width,
                                                          .factor = factor,
                                                          .from = call.in[0] + part * call.part(0),
                                                          .to = call.out + part * call.part()});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        for (index_t part = 0; call.to[0] && part < call.parts; ++part)
            call.lane.for_each(factor, call.from[0].height * call.images,
                               detail::unshuffle_rows<Real>{.channels = call.shape.channels,
                                                            .width = call.from[0].width,
                                                            .factor = factor,
                                                            .add = call.adds[0],
                                                            .from = call.k + part * call.part(),
                                                            .to = call.to[0] + part * call.part(0)});
    }
};

} // namespace diamond
