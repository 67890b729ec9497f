/// An image_shape is the shape of an image that is a column of a batch.
#pragma once

#include <cstddef>
#include <string>

#include <diamond/core/digits_of.hpp>

namespace diamond {

/// Holds the extents of an image, whose channel is the outermost index and whose rows of pixels begin at the
/// top: element (c, y, x) is row (c height + y) width + x of its column.
struct image_shape {
    std::size_t channels = 1; ///< the channels of a pixel: 1 for grey, 3 for red, green and blue
    std::size_t height = 1;   ///< the rows of pixels
    std::size_t width = 1;    ///< the pixels of a row

    /// Returns the number of rows d of a batch of such images.
    [[nodiscard]] constexpr std::size_t size() const noexcept { return channels * height * width; }
    /// Says whether channels, height and width all agree.
    friend bool operator==(const image_shape&, const image_shape&) = default;
};

/// Writes "channels x height x width".
[[nodiscard]] inline std::string to_string(const image_shape& shape) {
    return digits_of(shape.channels) + " x " + digits_of(shape.height) + " x " + digits_of(shape.width);
}

} // namespace diamond
