/// Layers that change the extents of feature maps: they join maps, repeat pixels, and average them. They are
/// linear, and work on a tangent as on the value.
#pragma once

#include <diamond/nn/detail/pixels.hpp>

namespace diamond {

namespace detail {

/// Copies channels of all pixels from one map to another, or adds them there: a block of pixels at a time.
template <class Real>
struct copy_channels {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    static constexpr index_t most = 64;
    index_t from_channels, to_channels, columns;
    bool add;
    const Real* from; ///< the first of the channels
    Real* to;

    [[nodiscard]] static DIAMOND_HD index_t blocks(index_t columns) { return (columns + most - 1) / most; }
    template <class N>
    DIAMOND_HD void at(index_t c, index_t j) const {
        const index_t first = j * most, end = first + most < columns ? first + most : columns;
        const Real* read = from + c + from_channels * first;
        Real* write = to + c + to_channels * first;
        for (index_t p = first; p < end; ++p, read += from_channels, write += to_channels)
            put_number<N>(number_access<N>::read(read), add, write);
    }
};

/// Says how the pixels of a coarse map are those of a fine one: each is `high` x `wide` of them.
struct pixel_tiles {
    index_t channels, rows, width; ///< of the coarse map: the rows of pixels of all images
    index_t high, wide;

    [[nodiscard]] static pixel_tiles of(const feature_shape& coarse, const feature_shape& fine,
                                        index_t images) {
        return {.channels = coarse.channels,
                .rows = coarse.height * images,
                .width = coarse.width,
                .high = fine.height / coarse.height,
                .wide = fine.width / coarse.width};
    }
    /// Returns the place of channel c of the first fine pixel of a coarse one.
    [[nodiscard]] DIAMOND_HD index_t fine(index_t c, index_t row, index_t x) const {
        return c + channels * wide * (x + width * high * row);
    }
    [[nodiscard]] DIAMOND_HD index_t coarse(index_t c, index_t row, index_t x) const {
        return c + channels * (x + width * row);
    }
    /// Returns how many numbers lie between a fine pixel and the one below it.
    [[nodiscard]] DIAMOND_HD index_t line() const { return channels * wide * width; }
};
/// Writes factor times each pixel of a row of a coarse map to those of the fine one, or adds it there.
template <class Real>
struct spread_pixels {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    pixel_tiles tiles;
    Real factor;
    bool add;
    const Real* from; ///< coarse
    Real* to;         ///< fine

    template <class N>
    DIAMOND_HD void at(index_t c, index_t row) const {
        using access = number_access<N>;
        const pixel_tiles own = tiles;
        const index_t line = own.line();
        for (index_t x = 0; x < own.width; ++x) {
            const N number = factor * access::read(from + own.coarse(c, row, x));
            Real* const first = to + own.fine(c, row, x);
            for (index_t below = 0; below < own.high; ++below)
                for (index_t right = 0; right < own.wide; ++right)
                    put_number<N>(number, add, first + line * below + own.channels * right);
        }
    }
};
/// Writes factor times the sum of the fine pixels of each of a row of a coarse map, or adds it there.
template <class Real>
struct gather_pixels {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    pixel_tiles tiles;
    Real factor;
    bool add;
    const Real* from; ///< fine
    Real* to;         ///< coarse

    template <class N>
    DIAMOND_HD void at(index_t c, index_t row) const {
        using access = number_access<N>;
        const pixel_tiles own = tiles;
        const index_t line = own.line();
        for (index_t x = 0; x < own.width; ++x) {
            const Real* const first = from + own.fine(c, row, x);
            N sum{};
            for (index_t below = 0; below < own.high; ++below) {
                const Real* const left = first + line * below;
                if (own.wide < 4) {
                    for (index_t right = 0; right < own.wide; ++right)
                        sum += access::read(left + own.channels * right);
                } else {
                    sum += sums_over_pixels<N, 1>(own.wide, [=](index_t right) {
                               return summands<N, 1>{{access::read(left + own.channels * right)}};
                           }).at[0];
                }
            }
            put_number<N>(N(factor * sum), add, to + own.coarse(c, row, x));
        }
    }
};

} // namespace detail

/// The layer that joins two feature maps of the same pixels: the channels of the first, and below them those
/// of the second, as the skip connections of a U-Net.
struct concatenation {
    static constexpr std::string_view name = "concatenation";

    template <class Visit>
    void fields(const Visit&) {}
    /// @throws std::invalid_argument unless both have the same height and width.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 2);
        require(from[0].height == from[1].height && from[0].width == from[1].width, [&] {
            return "a concatenation of feature maps of " + to_string(from[0]) + " and " + to_string(from[1]) +
                   ": they must have the same height and width";
        });
        return {from[0].channels + from[1].channels, from[0].height, from[0].width};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        for (std::size_t map = 0; map < 2; ++map)
            for (index_t part = 0; part < call.parts; ++part)
                copy(call, map, call.in[map] + part * call.part(map), call.from[map].channels,
                     call.out + first(call, map) + part * call.part(), call.shape.channels, false);
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        for (std::size_t map = 0; map < 2; ++map)
            for (index_t part = 0; call.to[map] && part < call.parts; ++part)
                copy(call, map, call.k + first(call, map) + part * call.part(), call.shape.channels,
                     call.to[map] + part * call.part(map), call.from[map].channels, call.adds[map]);
    }

private:
    /// Returns the first channel of a map among all.
    template <class Call>
    [[nodiscard]] static index_t first(const Call& call, std::size_t map) {
        return map == 0 ? 0 : call.from[0].channels;
    }
    template <class Call, class Real>
    static void copy(const Call& call, std::size_t map, const Real* from, index_t from_channels, Real* to,
                     index_t to_channels, bool add) {
        const index_t columns = call.shape.pixels() * call.images;
        call.lane.for_each(call.from[map].channels, detail::copy_channels<Real>::blocks(columns),
                           detail::packed_rows<detail::copy_channels<Real>>{{.from_channels = from_channels,
                                                                             .to_channels = to_channels,
                                                                             .columns = columns,
                                                                             .add = add,
                                                                             .from = from,
                                                                             .to = to}});
    }
};

/// The layer that repeats each pixel factor x factor times: nearest up-sampling.
struct up_sampling {
    static constexpr std::string_view name = "up_sampling";
    index_t factor = 2; ///< the rows and columns that a pixel becomes

    template <class Visit>
    void fields(const Visit& visit) {
        visit("factor", factor);
    }
    /// @throws std::invalid_argument for a factor below 1.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(factor > 0 && factor <= most_factor, [&] {
            return "an up-sampling by " + digits_of(factor) + ": 1 to " + digits_of(most_factor) +
                   " is needed";
        });
        return {from[0].channels, factor * from[0].height, factor * from[0].width};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const auto tiles = detail::pixel_tiles::of(call.from[0], call.shape, call.images);
        for (index_t part = 0; part < call.parts; ++part)
            call.lane.for_each(
                tiles.channels, tiles.rows,
                detail::packed_rows<detail::spread_pixels<Real>>{{.tiles = tiles,
                                                                  .factor = Real{1},
                                                                  .add = false,
                                                                  .from = call.in[0] + part * call.part(0),
                                                                  .to = call.out + part * call.part()}});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        const auto tiles = detail::pixel_tiles::of(call.from[0], call.shape, call.images);
        for (index_t part = 0; call.to[0] && part < call.parts; ++part)
            call.lane.for_each(
                tiles.channels, tiles.rows,
                detail::packed_rows<detail::gather_pixels<Real>>{{.tiles = tiles,
                                                                  .factor = Real{1},
                                                                  .add = call.adds[0],
                                                                  .from = call.k + part * call.part(),
                                                                  .to = call.to[0] + part * call.part(0)}});
    }

private:
    static constexpr index_t most_factor = 64;
};

/// The layer whose pixels are the means of size x size pixels of a feature map, or of all of them where size
/// is 0.
struct average_pooling {
    static constexpr std::string_view name = "average_pooling";
    index_t size = 2; ///< the rows and columns of which one pixel is made; 0: the whole map

    template <class Visit>
    void fields(const Visit& visit) {
        visit("size", size);
    }
    /// @throws std::invalid_argument unless height and width divide by the size.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        if (size == 0) return {from[0].channels, 1, 1};
        require(size > 0 && from[0].height % size == 0 && from[0].width % size == 0, [&] {
            return "an average pooling of " + digits_of(size) + " rows and columns of a feature map of " +
                   to_string(from[0]) + ": its height and width must divide by them; 0 is the whole map";
        });
        return {from[0].channels, from[0].height / size, from[0].width / size};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const auto tiles = detail::pixel_tiles::of(call.shape, call.from[0], call.images);
        for (index_t part = 0; part < call.parts; ++part)
            call.lane.for_each(
                tiles.channels, tiles.rows,
                detail::packed_rows<detail::gather_pixels<Real>>{{.tiles = tiles,
                                                                  .factor = share<Real>(tiles),
                                                                  .add = false,
                                                                  .from = call.in[0] + part * call.part(0),
                                                                  .to = call.out + part * call.part()}});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        const auto tiles = detail::pixel_tiles::of(call.shape, call.from[0], call.images);
        for (index_t part = 0; call.to[0] && part < call.parts; ++part)
            call.lane.for_each(
                tiles.channels, tiles.rows,
                detail::packed_rows<detail::spread_pixels<Real>>{{.tiles = tiles,
                                                                  .factor = share<Real>(tiles),
                                                                  .add = call.adds[0],
                                                                  .from = call.k + part * call.part(),
                                                                  .to = call.to[0] + part * call.part(0)}});
    }

private:
    /// Returns 1/(the pixels of which one is made).
    template <class Real>
    [[nodiscard]] static Real share(const detail::pixel_tiles& tiles) {
        return Real{1} / static_cast<Real>(tiles.high * tiles.wide);
    }
};

} // namespace diamond
