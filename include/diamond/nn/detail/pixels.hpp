/// This header has what layers share whose work is on the pixels of an image, channel by channel: it is done
/// for as many channels at once as a packet holds, by functors of (channel, image) or (channel, block of
/// pixels), given to for_each as packed_rows (core/packed.hpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <string>

#include <diamond/core/packed.hpp>
#include <diamond/nn/column_norm.hpp>
#include <diamond/nn/layers/layer.hpp>

namespace diamond::detail {

/// Returns the sums over some pixels of the numbers that f(pixel) returns, of each channel of a packet N. Few
/// sums of each run side by side, since one addition waits for another.
template <class N, std::size_t Count, class F>
[[nodiscard]] DIAMOND_HD summands<N, Count> sums_over_few_pixels(index_t begin, index_t pixels, const F& f) {
    constexpr std::size_t copies = Count >= 6 ? 1 : Count >= 3 ? 2 : 4;
    N sums[copies][Count] = {};
    index_t p = begin;
    for (; p + static_cast<index_t>(copies) <= pixels; p += static_cast<index_t>(copies))
        for (std::size_t copy = 0; copy < copies; ++copy) {
            const summands<N, Count> numbers = f(p + static_cast<index_t>(copy));
            for (std::size_t s = 0; s < Count; ++s) sums[copy][s] += numbers.at[s];
        }
    for (; p < pixels; ++p) {
        const summands<N, Count> numbers = f(p);
        for (std::size_t s = 0; s < Count; ++s) sums[0][s] += numbers.at[s];
    }
    summands<N, Count> result;
    for (std::size_t s = 0; s < Count; ++s) {
        for (std::size_t copy = 1; copy < copies; ++copy) sums[0][s] += sums[copy][s];
        result.at[s] = sums[0][s];
    }
    return result;
}

/// Returns the sums over all pixels: those of blocks are added up, so that rounding does not grow with the
/// map.
template <class N, std::size_t Count, class F>
[[nodiscard]] DIAMOND_HD summands<N, Count> sums_over_pixels(index_t pixels, const F& f) {
    constexpr index_t block = 256;
    summands<N, Count> result = sums_over_few_pixels<N, Count>(0, pixels < block ? pixels : block, f);
    for (index_t begin = block; begin < pixels; begin += block) {
        const index_t end = begin + block < pixels ? begin + block : pixels;
        const summands<N, Count> more = sums_over_few_pixels<N, Count>(begin, end, f);
        for (std::size_t s = 0; s < Count; ++s) result.at[s] += more.at[s];
    }
    return result;
}

/// Divides the pixels of each image into blocks, so that few divisions are needed to know the image.
struct pixel_blocks {
    index_t channels, pixels; ///< of an image
    static constexpr index_t most = 64;

    [[nodiscard]] DIAMOND_HD index_t per_image() const { return (pixels + most - 1) / most; }
    /// Returns the image of block j.
    [[nodiscard]] DIAMOND_HD index_t image(index_t j) const { return j / per_image(); }
    /// Calls body(place in the map) for channel c of the pixels of block j of all images.
    template <class Body>
    DIAMOND_HD void over(index_t c, index_t j, const Body& body) const {
        const index_t at = image(j), first = (j - at * per_image()) * most,
                      end = first + most < pixels ? first + most : pixels;
        index_t place = c + channels * (pixels * at + first);
        for (index_t p = first; p < end; ++p, place += channels) body(place);
    }
};
/// Divides the map's pixels into blocks.
[[nodiscard]] inline pixel_blocks blocks_of(const feature_shape& shape) {
    return {.channels = shape.channels, .pixels = shape.pixels()};
}

/// Writes a number, or adds it to what stands there.
template <class N, class Real>
DIAMOND_HD void put_number(N number, bool add, Real* at) {
    number_access<N>::write(add ? N(number + number_access<N>::read(at)) : number, at);
}

/// @throws std::invalid_argument for an epsilon of a norm that is out of range.
inline void require_epsilon(const char* what, double epsilon) {
    require(epsilon >= least_norm_epsilon && std::isfinite(epsilon), [&] {
        return std::string(what) + " of epsilon " + digits_of(epsilon) + ", and a finite one of at least " +
               digits_of(least_norm_epsilon) + " is needed";
    });
}

} // namespace diamond::detail
