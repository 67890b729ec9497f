/// This file describes how a kernel meets feature maps, for back ends and the layers of nn/.
#pragma once

#include <diamond/core/scalar.hpp>

namespace diamond {

/// Describes a kernel on feature maps of some images. A map is channels x width x height x images, the
/// channel fastest, and what the kernel gives is outputs x out_width x out_height x images. An output pixel
/// (x, y) meets, by (kx, ky) of the kernel, the pixel (x stride - padding + kx, y stride - padding +
/// ky)/spread of the map, and nothing where that is none of its pixels.
struct kernel_window {
    index_t kernel = 3;     ///< its rows and columns
    index_t stride = 1;     ///< the pixels from one place of the kernel to the next
    index_t padding = 1;    ///< the rows and columns of zeros on each side of the map
    index_t spread = 1;     ///< the map's pixels lie so far apart, and zeros are between them
    index_t channels = 1;   ///< of the map
    index_t height = 1;     ///< the map's rows of pixels
    index_t width = 1;      ///< the pixels of a row of the map
    index_t outputs = 1;    ///< the channels of what the kernel gives
    index_t out_height = 1; ///< its rows of pixels
    index_t out_width = 1;  ///< the pixels of its rows

    /// Returns how many places the kernel has.
    [[nodiscard]] constexpr index_t taps() const { return kernel * kernel; }
    /// Returns how many numbers of room a lane has at least that convolves maps by itself: those of a row of
    /// outputs, and what it meets of 16 channels; and the weights of 32 outputs and as many channels.
    [[nodiscard]] constexpr index_t least_room() const {
        return 16 * kernel * (stride * (out_width + 8) + kernel) + 32 * (16 * taps() + out_width) + 64;
    }
};
/// Points to the weights of a kernel: that of output o, tap t and channel c lies at
/// first[o of_output + t of_tap + c of_channel].
template <class Real>
struct kernel_weights {
    const Real* first;  ///< the weight of output, tap and channel 0
    index_t of_output;  ///< from an output to the next
    index_t of_tap;     ///< from a tap to the next
    index_t of_channel; ///< from a channel to the next
};

} // namespace diamond
