// A PNG file read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <diamond/plot/colour.hpp>
#include <diamond/plot/detail/cairo.hpp>

namespace diamond_test {

class decoded_png {
public:
    explicit decoded_png(const std::filesystem::path& path)
        : surface_{cairo_image_surface_create_from_png(path.string().c_str())} {
        if (cairo_surface_status(surface_.get()) != CAIRO_STATUS_SUCCESS)
            throw std::runtime_error{"decoded_png: no PNG at " + path.string()};
        width = cairo_image_surface_get_width(surface_.get());
        height = cairo_image_surface_get_height(surface_.get());
    }
    /// Whether there are red, green and blue alone, of eight bits each.
    bool is_rgb() const { return cairo_image_surface_get_format(surface_.get()) == CAIRO_FORMAT_RGB24; }
    diamond::plot::rgb pixel(int x, int y) const {
        std::uint32_t value = 0;
        const auto stride = static_cast<std::ptrdiff_t>(cairo_image_surface_get_stride(surface_.get()));
        std::memcpy(&value, cairo_image_surface_get_data(surface_.get()) + y * stride + 4 * x, sizeof value);
        const auto channel = [value](int shift) { return static_cast<std::uint8_t>(value >> shift & 0xFF); };
        return {channel(16), channel(8), channel(0)};
    }

    int width = 0;
    int height = 0;

private:
    diamond::plot::detail::surface_handle surface_;
};

} // namespace diamond_test
