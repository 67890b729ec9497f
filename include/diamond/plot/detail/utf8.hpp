/// This header makes text that cairo accepts of any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace diamond::plot::detail {

/// Returns the number of bytes of the character that the text begins with, or 0 if it is malformed: cut off,
/// longer than it need be, a surrogate, or a code that Unicode leaves to no character.
inline std::size_t length_of_first(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF8 ? 0
                             : first >= 0xF0 ? 4
                             : first >= 0xE0 ? 3
                             : first >= 0xC0 ? 2
                                             : 0;
    if (length == 0 || text.size() < length) return 0;
    char32_t code = first & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
        code = code << 6 | (byte(i) & 0x3Fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const bool none = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE || code > 0x10FFFF;
    return code < least[length] || surrogate || none ? 0 : length;
}

/// Returns the text with U+FFFD for each byte of a malformed character, and a space for each control
/// character.
inline std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const auto length = length_of_first(text);
        const auto first = static_cast<unsigned char>(text.front());
        if (length == 0)
            result += "\uFFFD";
        else if (first < 0x20 || first == 0x7F)
            result += ' ';
        else
            result += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

} // namespace diamond::plot::detail
