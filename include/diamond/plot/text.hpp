/// This header writes text into pictures with the font DejaVu Sans, or the nearest that the machine has.
#pragma once

#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/detail/utf8.hpp>

namespace diamond::plot {

/// The anchor says which part of a text stands at the given place.
enum class anchor { start, middle, end };

/// This type says how a text looks. `size` is the em in units of the canvas, in [1, 512]; `upward` text reads
/// from bottom to top.
struct text_style {
    double size = 12;             ///< the em, in units of the canvas
    rgb colour = colours::ink;    ///< the colour that the letters are filled with
    anchor align = anchor::start; ///< the part of the text that stands at the given place
    bool upward = false;          ///< whether it reads from bottom to top, a quarter turn to the left
};

/// Returns the height of capital letters and digits. A text whose baseline is half of it below a line is
/// centred on the line.
inline double capital_height(double size) noexcept {
    constexpr double of_em = 1493.0 / 2048; // in DejaVu Sans
    return of_em * size;
}

namespace detail {

/// Returns the font of an em of `size` units, upright or turned by a quarter to the left. Letters are not
/// moved to whole pixels, so that a text is as long as the sum of its letters in every direction.
/// @throws std::invalid_argument if the size is not in [1, 512].
inline font_handle font_of(double size, bool upward) {
    constexpr double least = 1, most = 512; // smaller is not read, and larger letters are whole pictures
    if (!(size >= least && size <= most))
        throw std::invalid_argument{"draw_text: size " + digits_of(size) + ", where it is from " +
                                    digits_of(least) + " to " + digits_of(most)};
    const face_handle face{
        cairo_toy_font_face_create("DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL)};
    const font_options_handle options{cairo_font_options_create()};
    cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
    cairo_matrix_t letters, picture;
    cairo_matrix_init_scale(&letters, size, size);
    if (upward) cairo_matrix_init(&letters, 0, -size, size, 0, 0, 0);
    cairo_matrix_init_scale(&picture, pixels_per_unit, pixels_per_unit);
    font_handle font{cairo_scaled_font_create(face.get(), &letters, &picture, options.get())};
    check(cairo_scaled_font_status(font.get()), "the font DejaVu Sans is opened");
    return font;
}

/// Returns how far the pen moves along a text, in units of the canvas.
inline double length_of(cairo_scaled_font_t* font, const std::string& text) noexcept {
    cairo_text_extents_t extents;
    cairo_scaled_font_text_extents(font, text.c_str(), &extents);
    return std::hypot(extents.x_advance, extents.y_advance);
}

} // namespace detail

/// Returns how long a text is along its line, in units of the canvas.
/// @throws std::invalid_argument if the size is not in [1, 512].
inline double text_width(std::string_view text, double size) {
    if (text.empty()) return 0;
    return detail::length_of(detail::font_of(size, false).get(), detail::printable(text));
}

/// Writes UTF-8 text with its baseline at `at`. Bytes that are no UTF-8 are written as U+FFFD, and a
/// character that the font lacks as an empty frame.
/// @throws std::invalid_argument if the size is not in [1, 512], and where drawing on the canvas throws.
inline void draw_text(canvas& picture, point at, std::string_view text, const text_style& style = {}) {
    const auto font = detail::font_of(style.size, style.upward);
    const auto letters = detail::printable(text);
    const double share = style.align == anchor::start ? 0 : style.align == anchor::middle ? 0.5 : 1;
    const double shift = share * detail::length_of(font.get(), letters);
    const point start = style.upward ? point{at.x, at.y + shift} : point{at.x - shift, at.y};
    picture.check({&start, 1});
    picture.paint(style.colour);
    cairo_set_scaled_font(picture.context(), font.get());
    cairo_move_to(picture.context(), start.x, start.y);
    cairo_show_text(picture.context(), letters.c_str());
    picture.finish();
}

} // namespace diamond::plot
