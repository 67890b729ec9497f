// Reads grey PNG files by stb_image.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <diamond/core/crc32.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>

#include "grey_png.hpp"

#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

namespace mnist {

namespace {

constexpr std::string_view signature = "\x89PNG\r\n\x1a\n";
constexpr std::size_t most_bytes = std::size_t{1} << 28;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
    throw diamond::io::file_error{
        path, reason + "; the study's data/README.md says what stands there: copy the file again, or name "
                       "another folder by --data"};
}

std::uint32_t number_at(std::string_view bytes, std::size_t place) {
    std::uint32_t number = 0;
    for (const char byte : bytes.substr(place, 4)) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

/// Walks through the chunks of a PNG file, of which each has a checksum that stb_image does not look at.
void check_chunks(const std::filesystem::path& path, std::string_view bytes) {
    constexpr std::uint32_t polynomial = 0xedb88320;
    constexpr std::size_t around = 12; // length, name and checksum
    for (std::size_t at = signature.size();;) {
        const std::size_t left = bytes.size() - at;
        if (left < around || left - around < number_at(bytes, at))
            refuse(path, "truncated: its " + diamond::digits_of(bytes.size()) +
                             " bytes end before the last chunk of a PNG file does");
        const std::size_t length = number_at(bytes, at);
        const auto checked = bytes.substr(at + 4, length + 4);
        diamond::crc32<polynomial> sum;
        sum.add(diamond::io::bytes_of(checked));
        if (sum.value() != number_at(bytes, at + 8 + length))
            refuse(path, "damaged: the chunk at byte " + diamond::digits_of(at) + " has another checksum");
        if (checked.starts_with("IEND")) return;
        at += around + length;
    }
}

} // namespace

grey_image read_grey_png(const std::filesystem::path& path, std::size_t height, std::size_t width) {
    const std::string bytes = diamond::io::read_text(path, most_bytes);
    if (!bytes.starts_with(signature)) refuse(path, "not a PNG file, which begins with \\x89PNG");
    check_chunks(path, bytes);
    const auto* const data = reinterpret_cast<const stbi_uc*>(bytes.data());
    const int size = static_cast<int>(bytes.size());
    const auto require_kind = [&](int wide, int high, int channels) {
        if (channels != 1 || stbi_is_16_bit_from_memory(data, size) != 0)
            refuse(path, "a picture of " + diamond::digits_of(channels) +
                             (channels == 1 ? " channel of 16 bits" : " channels") +
                             ", where 8 bits of grey are read");
        if (static_cast<std::size_t>(high) != height || static_cast<std::size_t>(wide) != width)
            refuse(path, "a picture of " + diamond::digits_of(wide) + " x " + diamond::digits_of(high) +
                             " pixels, where as many labels as there are beside it take " +
                             diamond::digits_of(width) + " x " + diamond::digits_of(height));
    };
    int wide = 0, high = 0, channels = 0;
    const auto refuse_damaged = [&] {
        refuse(path, std::string("damaged: stb_image says '") + stbi_failure_reason() + "'");
    };
    if (stbi_info_from_memory(data, size, &wide, &high, &channels) == 0) refuse_damaged();
    require_kind(wide, high, channels); // before there is memory for it
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
        stbi_load_from_memory(data, size, &wide, &high, &channels, 1), &stbi_image_free);
    if (!pixels) refuse_damaged();
    return {height, width, {pixels.get(), pixels.get() + height * width}};
}

} // namespace mnist
