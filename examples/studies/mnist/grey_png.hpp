/// This header reads grey PNG files, by stb_image, whose code is in stb.cpp alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace mnist {

/// This type is a grey image of a byte a pixel, row by row from above.
struct grey_image {
    std::size_t height = 0, width = 0;
    std::vector<std::uint8_t> grey;
};

/// Reads a PNG file of 8 bits of grey a pixel, and of these extents.
/// @throws diamond::io::file_error with what to do, if it is no PNG file, truncated or damaged, as its
/// checksums say, or a picture of another kind or of other extents.
[[nodiscard]] grey_image read_grey_png(const std::filesystem::path& path, std::size_t height,
                                       std::size_t width);

} // namespace mnist
