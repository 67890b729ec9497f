/// This header defines a picture of colour pixels and the shapes that cairo draws on it with smooth edges.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/colour.hpp>
#include <diamond/plot/detail/cairo.hpp>

namespace diamond::plot {

/// A point is a place in a picture, with x to the right and y downwards.
struct point {
    double x = 0; ///< the distance from the left edge, in units of the canvas
    double y = 0; ///< the distance from the upper edge, in units of the canvas
};

/// A box is a rectangle in a picture, in units of length, with y pointing downwards.
struct box {
    double left = 0;   ///< the x of the left side
    double top = 0;    ///< the y of the upper side
    double right = 0;  ///< the x of the right side
    double bottom = 0; ///< the y of the lower side

    /// Returns the distance from the left to the right side, in units of length.
    double width() const noexcept { return right - left; }
    /// Returns the distance from the upper to the lower side, in units of length.
    double height() const noexcept { return bottom - top; }
};

/// This type says how a line is drawn. A `gap` above 0 breaks the line into dashes of length `dash`. Width,
/// dash and gap are lengths in [0, 8192]; with a gap, dash + gap is at least one pixel. alpha lies in [0, 1].
struct stroke {
    rgb colour = colours::ink; ///< the colour of the line where alpha is 1
    double width = 1;          ///< the width of the line, in units of the canvas
    double alpha = 1;          ///< the opacity: 0 is not seen, 1 hides what is below
    double dash = 0;           ///< the length of a dash, in units of the canvas
    double gap = 0;            ///< the length between dashes; 0: the line is not broken
};

/// A unit of length has this many pixels. Two of them keep pictures sharp on screens of high density.
inline constexpr int pixels_per_unit = 2;

/// A canvas is a picture of 8-bit red, green and blue pixels. Coordinates are in units of `pixels_per_unit`
/// pixels, and (0, 0) is the upper left corner. What is drawn outside of the picture is not seen.
/// @throws std::invalid_argument from every function that draws, if a coordinate is not a number in
/// [-1e6, 1e6], an alpha is not in [0, 1], or a length is outside of the range that `stroke` states.
class canvas {
public:
    /// Makes a picture of width x height units, filled with the background colour.
    /// @throws std::invalid_argument unless 0 < width, height <= 8192 and width x height <= 2^24.
    canvas(double width, double height, rgb background = colours::white)
        : pixels_wide_{pixels_along(width, height, width)},
          pixels_high_{pixels_along(width, height, height)},
          clip_{whole()},
          surface_{cairo_image_surface_create(CAIRO_FORMAT_RGB24, pixels_wide_, pixels_high_)},
          context_{cairo_create(surface_.get())} {
        detail::check(cairo_status(context_.get()), "a picture is made");
        cairo_scale(context_.get(), pixels_per_unit, pixels_per_unit);
        cairo_set_line_cap(context_.get(), CAIRO_LINE_CAP_ROUND);
        cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
        fill({0, 0, this->width(), this->height()}, background);
    }

    /// Returns the width of the picture in pixels; width() and height() are in units of length.
    int pixels_wide() const noexcept { return pixels_wide_; }
    /// Returns the height of the picture in pixels.
    int pixels_high() const noexcept { return pixels_high_; }
    /// Returns the width of the picture in units of length.
    double width() const noexcept { return static_cast<double>(pixels_wide_) / pixels_per_unit; }
    /// Returns the height of the picture in units of length.
    double height() const noexcept { return static_cast<double>(pixels_high_) / pixels_per_unit; }
    /// Returns the colour of pixel (x, y), 0 <= x < pixels_wide() and 0 <= y < pixels_high(), which is not
    /// checked.
    rgb pixel(int x, int y) const noexcept {
        std::uint32_t value = 0; // cairo's RGB24: red, green and blue below eight unused bits
        std::memcpy(&value, address_of(x, y), sizeof value);
        const auto channel = [value](int shift) { return static_cast<std::uint8_t>(value >> shift & 0xFF); };
        return {channel(16), channel(8), channel(0)};
    }

    /// Returns cairo's surface and its context, whose unit is that of the canvas, for what this class does
    /// not draw itself. The canvas keeps both; finish() belongs after drawing on them.
    cairo_surface_t* surface() const noexcept { return surface_.get(); }
    /// Returns cairo's context, for what this class does not draw itself.
    cairo_t* context() noexcept { return context_.get(); }
    /// Makes a colour the one that is drawn with on context().
    void paint(rgb colour, double alpha = 1) noexcept {
        constexpr double full = 255;
        cairo_set_source_rgba(context_.get(), colour.red / full, colour.green / full, colour.blue / full,
                              alpha);
    }
    /// Checks coordinates before cairo takes them.
    /// @throws std::invalid_argument unless all are numbers in [-1e6, 1e6].
    static void check(std::span<const point> points) {
        for (const auto& p : points)
            if (!(std::abs(p.x) <= max_coordinate && std::abs(p.y) <= max_coordinate))
                throw std::invalid_argument{"canvas: a point at (" + digits_of(p.x) + ", " + digits_of(p.y) +
                                            "), where coordinates are numbers from -" +
                                            digits_of(max_coordinate) + " to " + digits_of(max_coordinate)};
    }
    /// Ends what was drawn on context(), so that pixel() sees it.
    /// @throws std::bad_alloc or std::runtime_error if cairo could not draw it.
    void finish() {
        cairo_surface_flush(surface_.get());
        detail::check(cairo_status(context_.get()), "a shape is drawn");
    }

    /// Restricts all that is drawn from now on to the inside of `area`, and the pixels that its sides cross.
    void clip(const box& area) {
        const auto [left, top, right, bottom] = in_pixels(area);
        clip_ = intersection({std::floor(left), std::floor(top), std::ceil(right), std::ceil(bottom)},
                             whole());
        cairo_reset_clip(context_.get());
        rectangle(clip_);
        cairo_clip(context_.get());
    }
    /// Ends the restriction by clip(): the whole picture is drawn on again.
    void unclip() noexcept {
        clip_ = whole();
        cairo_reset_clip(context_.get());
    }

    /// Fills a rectangle. Its sides are moved to whole pixels, so that they are always sharp.
    void fill(const box& area, rgb colour) {
        rectangle(rounded(area));
        paint(colour);
        cairo_fill(context_.get());
        finish();
    }

    /// Gives every pixel of a rectangle the colour f(u, v), an rgb, where u and v in (0, 1) are its place
    /// from the upper left corner. f is called once for each pixel. The sides are moved to whole pixels.
    template <class F>
    void shade(const box& area, F f) {
        const auto pixels = intersection(rounded(area), clip_);
        const int left = static_cast<int>(pixels.left), top = static_cast<int>(pixels.top);
        const int right = static_cast<int>(pixels.right), bottom = static_cast<int>(pixels.bottom);
        for (int y = top; y < bottom; ++y)
            for (int x = left; x < right; ++x) {
                const double u = ((x + 0.5) / pixels_per_unit - area.left) / area.width();
                const double v = ((y + 0.5) / pixels_per_unit - area.top) / area.height();
                const rgb colour = f(u, v);
                const auto value = static_cast<std::uint32_t>(colour.red << 16 | colour.green << 8 |
                                                              colour.blue);
                std::memcpy(address_of(x, y), &value, sizeof value);
            }
        cairo_surface_mark_dirty(surface_.get());
    }

    /// Draws a line through the points, with round ends and corners. One point alone gives a disc.
    void line(std::span<const point> points, const stroke& style) {
        check(style);
        trace(points);
        if (points.empty()) return;
        const std::array<double, 2> dashes{style.dash, style.gap};
        cairo_set_dash(context_.get(), dashes.data(), style.gap > 0 ? 2 : 0, 0);
        cairo_set_line_width(context_.get(), style.width);
        paint(style.colour, style.alpha);
        cairo_stroke(context_.get());
        finish();
    }
    /// Draws a line through the points of a list, as the function for a span does.
    void line(std::initializer_list<point> points, const stroke& style) {
        line(std::span{points.begin(), points.size()}, style);
    }

    /// Fills a disc of this radius, in units of the canvas, about `centre`.
    void disc(point centre, double radius, rgb colour, double alpha = 1) {
        check(std::span{&centre, 1});
        check_length("disc", "radius", radius);
        check_alpha(alpha);
        cairo_new_path(context_.get());
        cairo_arc(context_.get(), centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
        paint(colour, alpha);
        cairo_fill(context_.get());
        finish();
    }

    /// Fills the inside of a closed contour, all that it winds around.
    void polygon(std::span<const point> contour, rgb colour, double alpha = 1) {
        check_alpha(alpha);
        trace(contour);
        paint(colour, alpha);
        cairo_fill(context_.get());
        finish();
    }
    /// Fills the inside of a contour given as a list, as the function for a span does.
    void polygon(std::initializer_list<point> contour, rgb colour, double alpha = 1) {
        polygon(std::span{contour.begin(), contour.size()}, colour, alpha);
    }

private:
    /// A larger picture would not be looked at, and cairo draws pictures of up to 32767 pixels a side.
    static constexpr double max_side = 8192;

    /// A picture of this area takes 270 MB of pixels; the largest shipped picture has a twentieth.
    static constexpr double max_area = 1 << 24;

    /// This coordinate is far outside of any picture; cairo's own numbers end at 2^23 pixels.
    static constexpr double max_coordinate = 1e6;

    /// Returns how many pixels a side of a picture of width x height has.
    /// @throws std::invalid_argument if the constructor does.
    static int pixels_along(double width, double height, double side) {
        for (const double length : {width, height})
            if (!(length > 0 && length <= max_side))
                throw std::invalid_argument{"canvas: " + digits_of(width) + " x " + digits_of(height) +
                                            ", where both must be above 0 and at most " +
                                            digits_of(max_side)};
        if (width * height > max_area)
            throw std::invalid_argument{"canvas: " + digits_of(width) + " x " + digits_of(height) +
                                        " is an area of " + digits_of(width * height) + ", where at most " +
                                        digits_of(max_area) + " is drawn"};
        return static_cast<int>(std::ceil(side * pixels_per_unit));
    }

    static void check_alpha(double alpha) {
        if (!(alpha >= 0 && alpha <= 1))
            throw std::invalid_argument{"canvas: alpha " + digits_of(alpha) + ", where it is from 0 to 1"};
    }
    static void check_length(const char* of, const char* name, double length) {
        if (!(length >= 0 && length <= max_side))
            throw std::invalid_argument{std::string{"canvas: a "} + of + " of " + name + " " +
                                        digits_of(length) + ", where it is from 0 to " + digits_of(max_side)};
    }
    /// Throws unless the lengths of a stroke are those that `stroke` allows.
    static void check(const stroke& style) {
        check_alpha(style.alpha);
        check_length("stroke", "width", style.width);
        check_length("stroke", "dash", style.dash);
        check_length("stroke", "gap", style.gap);
        // Shorter dashes would look like a grey line, and take nearly for ever.
        constexpr double least = 1.0 / pixels_per_unit;
        if (style.gap > 0 && style.dash + style.gap < least)
            throw std::invalid_argument{"canvas: a stroke of dash " + digits_of(style.dash) + " and gap " +
                                        digits_of(style.gap) + ", where they are together at least " +
                                        digits_of(least)};
    }

    box whole() const noexcept {
        return {0, 0, static_cast<double>(pixels_wide_), static_cast<double>(pixels_high_)};
    }
    static box in_pixels(const box& area) {
        const std::array<point, 2> corners{{{area.left, area.top}, {area.right, area.bottom}}};
        check(corners);
        return {area.left * pixels_per_unit, area.top * pixels_per_unit, area.right * pixels_per_unit,
                area.bottom * pixels_per_unit};
    }
    static box rounded(const box& area) {
        const auto [left, top, right, bottom] = in_pixels(area);
        return {std::round(left), std::round(top), std::round(right), std::round(bottom)};
    }
    static box intersection(const box& a, const box& b) noexcept {
        return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
                std::min(a.bottom, b.bottom)};
    }

    unsigned char* address_of(int x, int y) const noexcept {
        return cairo_image_surface_get_data(surface_.get()) +
               static_cast<std::ptrdiff_t>(y) * cairo_image_surface_get_stride(surface_.get()) +
               static_cast<std::ptrdiff_t>(x) * 4;
    }

    /// Makes a rectangle of pixels cairo's path; it is empty where the right side is left of the left one.
    void rectangle(const box& pixels) noexcept {
        cairo_new_path(context_.get());
        cairo_rectangle(context_.get(), pixels.left / pixels_per_unit, pixels.top / pixels_per_unit,
                        std::max(pixels.width(), 0.0) / pixels_per_unit,
                        std::max(pixels.height(), 0.0) / pixels_per_unit);
    }
    /// Replaces cairo's current path by the line through the points, after checking them.
    void trace(std::span<const point> points) {
        check(points);
        cairo_new_path(context_.get());
        for (const auto& p : points) cairo_line_to(context_.get(), p.x, p.y);
        if (points.size() == 1) cairo_close_path(context_.get()); // a dot, which a lone point is not
    }

    int pixels_wide_ = 0;
    int pixels_high_ = 0;
    box clip_; // in pixels
    detail::surface_handle surface_;
    detail::context_handle context_;
};

} // namespace diamond::plot
