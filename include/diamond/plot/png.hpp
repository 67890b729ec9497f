/// This header writes pictures as PNG files.
#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <new>
#include <span>
#include <vector>

#include <diamond/io/file.hpp>
#include <diamond/plot/canvas.hpp>

namespace diamond::plot {

/// Writes a picture as an RGB PNG of pixels_wide() x pixels_high() pixels, whole or not at all.
/// @throws io::file_error if the file cannot be written, std::bad_alloc if there is no memory to compress the
/// picture.
inline void write_png(const std::filesystem::path& path, const canvas& picture) {
    std::vector<std::byte> png;
    const auto append = [](void* to, const unsigned char* bytes, unsigned int count) noexcept {
        try { // cairo is C, through which nothing may be thrown
            const auto more = std::as_bytes(std::span{bytes, count});
            auto& all = *static_cast<std::vector<std::byte>*>(to);
            all.insert(all.end(), more.begin(), more.end());
            return CAIRO_STATUS_SUCCESS;
        } catch (const std::bad_alloc&) {
            return CAIRO_STATUS_NO_MEMORY;
        }
    };
    detail::check(cairo_surface_write_to_png_stream(picture.surface(), append, &png), "a PNG is made");
    io::write_atomically(path, {png});
}

/// Draws a line_plot, an image_grid, a panel_row, or any type for which draw(picture) returns a canvas, and
/// writes the result.
/// @throws io::file_error as above, and whatever draw throws.
template <class Picture>
    requires requires(const Picture& picture) {
        { draw(picture) } -> std::same_as<canvas>;
    }
void write_png(const std::filesystem::path& path, const Picture& picture) {
    write_png(path, draw(picture));
}

} // namespace diamond::plot
