/// What the rows of a batch are, when its columns are images.
#pragma once

#include <cstddef>
#include <string>

#include <diamond/core/digits_of.hpp>

namespace diamond {

/// Channels first, then rows of pixels from the top: element (c, y, x) of an image is row (c height + y) width + x of its column.
struct image_shape {
    std::size_t channels = 1;
    std::size_t height   = 1;
    std::size_t width    = 1;

    [[nodiscard]] constexpr std::size_t size() const noexcept { return channels * height * width; }
    friend bool operator==(const image_shape&, const image_shape&) = default;
};

[[nodiscard]] inline std::string to_string(const image_shape& shape) {
    return digits_of(shape.channels) + " x " + digits_of(shape.height) + " x " + digits_of(shape.width);
}

} // namespace diamond
