/// This header writes pictures as PNG files.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>

#include <diamond/io/canvas.hpp>
#include <diamond/io/detail/stb_image_write.hpp>
#include <diamond/io/file.hpp>

namespace diamond::io {

/// Writes a picture as an RGB PNG of pixels_wide() x pixels_high() pixels, whole or not at all.
/// @throws file_error if the file cannot be written or there is no memory to compress the picture.
inline void write_png(const std::filesystem::path& path, const canvas& picture) {
    struct free_memory {
        void operator()(unsigned char* bytes) const noexcept { std::free(bytes); }
    };
    constexpr int channels = 3;
    int size = 0;
    const std::unique_ptr<unsigned char, free_memory> png{
        detail::stb::stbi_write_png_to_mem(picture.bytes().data(), channels * picture.pixels_wide(),
                                           picture.pixels_wide(), picture.pixels_high(), channels, &size)};
    if (!png) throw file_error{path, "no memory to compress the picture"};
    write_atomically(path, {std::as_bytes(std::span{png.get(), static_cast<std::size_t>(size)})});
}

/// Draws a line_plot, an image_grid, a panel_row, or any type for which draw(picture) returns a canvas, and
/// writes the result.
/// @throws file_error as above, and whatever draw throws.
template <class Picture>
    requires requires(const Picture& picture) {
        { draw(picture) } -> std::same_as<canvas>;
    }
void write_png(const std::filesystem::path& path, const Picture& picture) {
    write_png(path, draw(picture));
}

} // namespace diamond::io
