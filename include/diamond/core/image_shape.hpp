/// What the rows of a batch are, when its columns are images.
#pragma once

#include <cstddef>
#include <string>

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
    return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width);
}

} // namespace diamond
