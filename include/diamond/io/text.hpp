/// This header writes text into pictures, with the font DejaVu Sans, so that it looks the same on every
/// machine.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <diamond/io/canvas.hpp>
#include <diamond/io/detail/font_data.hpp>

namespace diamond::io {

/// The anchor says which part of a text stands at the given place.
enum class anchor { start, middle, end };

/// This type says how a text looks. `size` is the em in units of the canvas; `upward` text reads from bottom
/// to top.
struct text_style {
    double size = 12;
    rgb colour = colours::ink;
    anchor align = anchor::start;
    bool upward = false;
};

/// Returns the height of capital letters and digits. A text whose baseline is half of it below a line is
/// centred on the line.
inline double capital_height(double size) noexcept { return size * detail::font_ascent / detail::font_units; }

namespace detail {

/// Removes the next character from UTF-8 text, which must not be empty, and returns it. A malformed character
/// is U+FFFD.
inline char32_t next_character(std::string_view& text) noexcept {
    constexpr char32_t replacement = 0xFFFD;
    const auto take = [&text] {
        const auto byte = static_cast<unsigned char>(text.front());
        text.remove_prefix(1);
        return static_cast<char32_t>(byte);
    };
    const char32_t first = take();
    if (first < 0x80) return first;
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : -1;
    if (more < 0) return replacement;
    char32_t code = first & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) {
        if (text.empty() || (static_cast<unsigned char>(text.front()) & 0xC0) != 0x80) return replacement;
        code = code << 6 | (take() & 0x3F);
    }
    return code;
}

/// Returns the glyph of a character, or that of a question mark if the font has none.
inline const glyph_outline& glyph_of(char32_t code) noexcept {
    const auto found = std::ranges::lower_bound(font_glyphs, code, {}, &glyph_outline::code);
    return found != std::ranges::end(font_glyphs) && found->code == code ? *found : glyph_of(U'?');
}

/// Returns by how much the distance between two neighbouring characters changes, in font units.
inline int kerning(char32_t first, char32_t second) noexcept {
    if (first > 0x7F || second > 0x7F) return 0;
    const std::pair key{static_cast<char>(first), static_cast<char>(second)};
    const auto found = std::ranges::lower_bound(font_kerning, key, {}, [](const kerning_pair& pair) {
        return std::pair{pair.first, pair.second};
    });
    return found != std::ranges::end(font_kerning) && found->first == key.first && found->second == key.second
             ? found->change
             : 0;
}

/// Calls f(glyph, x) for every character, where x is its beginning in font units, and returns the width of
/// the text.
template <class F>
double for_each_glyph(std::string_view text, F f) {
    double x = 0;
    char32_t before = 0;
    while (!text.empty()) {
        const auto code = next_character(text);
        const auto& glyph = glyph_of(code);
        x += kerning(before, code);
        f(glyph, x);
        x += glyph.advance;
        before = code;
    }
    return x;
}

/// Returns a path as closed contours. Every point is mapped by `place`, and curves become `steps_per_curve`
/// straight steps.
template <class Place>
std::vector<std::vector<point>> contours_of(std::string_view path, Place place) {
    // At 30 pixels an em, a curve of this many steps leaves its letter by less than 0.05 pixels.
    constexpr int steps_per_curve = 6;
    const char* at = path.data();
    const char* const end = at + path.size();
    point pen;
    const auto step = [&] {
        const auto number = [&] {
            int value = 0;
            if (at != end && *at == ' ') ++at;
            at = std::from_chars(at, end, value).ptr;
            return value;
        };
        pen.x += number();
        pen.y += number();
        return pen;
    };
    std::vector<std::vector<point>> contours;
    while (at != end) {
        const char command = *at++;
        const point from = pen;
        const point to = step();
        if (command == 'm') contours.emplace_back();
        if (command != 'q') {
            contours.back().push_back(place(to));
            continue;
        }
        const point far = step();
        for (int i = 1; i <= steps_per_curve; ++i) {
            const double t = static_cast<double>(i) / steps_per_curve;
            const double a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;
            contours.back().push_back(
                place({a * from.x + b * to.x + c * far.x, a * from.y + b * to.y + c * far.y}));
        }
    }
    return contours;
}

} // namespace detail

/// Returns how long a text is along its line, in units of the canvas.
inline double text_width(std::string_view text, double size) {
    return detail::for_each_glyph(text, [](const auto&, double) {}) * size / detail::font_units;
}

/// Writes UTF-8 text with its baseline at `at`. Characters that the font lacks are written as question marks.
/// @throws std::invalid_argument if the size is not in (0, 8192], and where drawing on the canvas throws.
inline void draw_text(canvas& picture, point at, std::string_view text, const text_style& style = {}) {
    constexpr double most = 8192; // the bound of a canvas
    if (!(style.size > 0 && style.size <= most))
        throw std::invalid_argument{"draw_text: size " + digits_of(style.size) +
                                    ", where it is above 0 and at most " + digits_of(most)};
    const double unit = style.size / detail::font_units;
    const double share = style.align == anchor::start ? 0 : style.align == anchor::middle ? 0.5 : 1;
    const double shift = share * text_width(text, style.size);
    detail::for_each_glyph(text, [&](const detail::glyph_outline& glyph, double start) {
        const auto contours = detail::contours_of(glyph.path, [&](point p) {
            const double along = (start + p.x) * unit - shift, above = p.y * unit;
            return style.upward ? point{at.x - above, at.y - along} : point{at.x + along, at.y - above};
        });
        picture.polygon(contours, style.colour);
    });
}

} // namespace diamond::io
