// A PNG file read back by a decoder that is not ours.
#pragma once

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include <diamond/io/colour.hpp>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
#pragma GCC diagnostic pop

namespace diamond_test {

struct decoded_png {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<unsigned char> bytes = {};

    explicit decoded_png(const std::filesystem::path& path) {
        auto* pixels = stbi_load(path.string().c_str(), &width, &height, &channels, 3);
        if (pixels == nullptr) throw std::runtime_error{"decoded_png: no PNG at " + path.string()};
        bytes.assign(pixels, pixels + 3 * width * height);
        stbi_image_free(pixels);
    }
    diamond::io::rgb pixel(int x, int y) const {
        const auto at = 3 * static_cast<std::size_t>(y * width + x);
        return {bytes[at], bytes[at + 1], bytes[at + 2]};
    }
};

} // namespace diamond_test
