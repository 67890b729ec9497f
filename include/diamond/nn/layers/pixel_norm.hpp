/// LayerNorm and RMSNorm of each pixel of a feature map over its channels, as transformers have it of their
/// tokens: the work of nn/column_norm.hpp, on the columns of the map.
#pragma once

#include <diamond/nn/column_norm.hpp>
#include <diamond/nn/detail/pixels.hpp>

namespace diamond {

/// The layer that takes each pixel of a feature map as a column of channels, and normalises it (eq.
/// column-norm): LayerNorm with gain and bias, RMSNorm with a gain alone, or either without parameters, as
/// where a modulation follows.
struct pixel_norm {
    static constexpr std::string_view name = "pixel_norm";
    normalisation kind = normalisation::layer; ///< LayerNorm or RMSNorm
    double epsilon = 1e-5; ///< what is added to the variance, least_norm_epsilon or more; PyTorch's default
    bool affine = true;    ///< whether there are a gain, and in LayerNorm a bias; else they are 1 and 0

    template <class Visit>
    void fields(const Visit& visit) {
        visit("kind", kind);
        visit("epsilon", epsilon);
        visit("affine", affine);
    }
    /// @throws std::invalid_argument for a norm that is none, or an epsilon out of range.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(kind == normalisation::layer || kind == normalisation::rms,
                "a pixel norm of no kind: normalisation::layer or normalisation::rms is needed");
        detail::require_epsilon("a pixel norm", epsilon);
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape> from) const {
        const index_t C = from[0].channels;
        std::vector<layer_tensor> all;
        if (!affine) return all;
        all.push_back({.name = "weight", .shape = {C}, .strides = {1}, .mean = 1.0});
        if (has_bias()) all.push_back({.name = "bias", .shape = {C}, .strides = {1}, .offset = C});
        return all;
    }
    [[nodiscard]] index_t scratch(std::span<const feature_shape> from, index_t images, index_t parts) const {
        return 2 * from[0].channels + parts * from[0].part(images);
    }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const Real* const gain = gain_of(call);
        call.lane.for_each(index_t{1}, exact(call),
                           detail::packed_column<detail::normalise_column<Real>>{
                               {.norm = norm(),
                                .gain = gain,
                                .bias = has_bias() ? gain + call.shape.channels : nullptr,
                                .x = call.in[0],
                                .y = call.out,
                                .rows = call.shape.channels,
                                .columns = call.shape.columns(call.images),
                                .parts = call.parts}});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        if (!call.to[0] && !call.gradient) return;
        const index_t C = call.shape.channels;
        const Real* const k = call.k;
        if (call.gradient && has_bias()) call.lane.add_columns(k, C, exact(call), call.gradient + C);
        call.lane.for_each(index_t{1}, exact(call),
                           detail::packed_column<detail::pull_back_column<Real>>{
                               {.norm = norm(),
                                .gain = gain_of(call),
                                .x = call.in[0],
                                .k = call.k,
                                .to = call.to[0] ? call.to[0] : call.scratch + 2 * C,
                                .add = call.to[0] && call.adds[0],
                                .rows = C,
                                .columns = call.shape.columns(call.images),
                                .parts = call.parts}});
        if (call.gradient) call.lane.add_columns(k, C, exact(call), call.gradient);
    }

private:
    [[nodiscard]] bool has_bias() const { return affine && kind == normalisation::layer; }
    [[nodiscard]] column_norm norm() const { return {.kind = kind, .epsilon = epsilon}; }
    template <class Call>
    [[nodiscard]] static index_t exact(const Call& call) {
        return call.shape.pixels() * call.images;
    }
    /// Returns the gains: those of theta, or ones, which it writes to the scratch.
    template <class Call>
    [[nodiscard]] const typename Call::real* gain_of(const Call& call) const {
        using real = typename Call::real;
        if (affine) return call.theta;
        call.lane.fill(call.scratch, call.shape.channels, real{1});
        return call.scratch;
    }
};

} // namespace diamond
