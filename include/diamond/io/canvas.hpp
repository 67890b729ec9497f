/// This header defines a picture of colour pixels and the shapes that can be drawn on it with smooth edges.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/colour.hpp>
#include <diamond/io/detail/coverage.hpp>

namespace diamond::io {

/// A box is a rectangle in a picture, in units of length, with y pointing downwards.
struct box {
    double left = 0;
    double top = 0;
    double right = 0;
    double bottom = 0;

    double width() const noexcept { return right - left; }
    double height() const noexcept { return bottom - top; }
};

/// This type says how a line is drawn. A `gap` above 0 breaks the line into dashes of length `dash`. Width,
/// dash and gap are lengths in [0, 8192]; with a gap, dash + gap is at least one pixel. alpha lies in [0, 1].
struct stroke {
    rgb colour = colours::ink;
    double width = 1;
    double alpha = 1;
    double dash = 0;
    double gap = 0;
};

/// A unit of length has this many pixels. Two of them keep pictures sharp on screens of high density.
inline constexpr int pixels_per_unit = 2;

/// A canvas is a picture of 8-bit red, green and blue pixels. Coordinates are in units of `pixels_per_unit`
/// pixels, and (0, 0) is the upper left corner. What is drawn outside of the picture is not seen.
/// @throws std::invalid_argument from every function that draws, if a coordinate is not a number in
/// [-1e6, 1e6], an alpha is not in [0, 1], or a length of a stroke is outside of the range that `stroke`
/// states.
class canvas {
public:
    /// Makes a picture of width x height units, filled with the background colour.
    /// @throws std::invalid_argument unless 0 < width, height <= 8192 and width x height <= 2^24.
    canvas(double width, double height, rgb background = colours::white) {
        for (const double side : {width, height})
            if (!(side > 0 && side <= max_side))
                throw std::invalid_argument{"canvas: " + digits_of(width) + " x " + digits_of(height) +
                                            ", where both must be above 0 and at most " +
                                            digits_of(max_side)};
        if (width * height > max_area)
            throw std::invalid_argument{"canvas: " + digits_of(width) + " x " + digits_of(height) +
                                        " is an area of " + digits_of(width * height) + ", where at most " +
                                        digits_of(max_area) + " is drawn"};
        pixels_wide_ = static_cast<int>(std::ceil(width * pixels_per_unit));
        pixels_high_ = static_cast<int>(std::ceil(height * pixels_per_unit));
        clip_ = {0, 0, pixels_wide_, pixels_high_};
        bytes_.resize(3 * static_cast<std::size_t>(pixels_wide_) * static_cast<std::size_t>(pixels_high_));
        fill({0, 0, width + 1, height + 1}, background);
    }

    /// Returns the width of the picture in pixels; width() and height() are in units of length.
    int pixels_wide() const noexcept { return pixels_wide_; }
    int pixels_high() const noexcept { return pixels_high_; }
    double width() const noexcept { return static_cast<double>(pixels_wide_) / pixels_per_unit; }
    double height() const noexcept { return static_cast<double>(pixels_high_) / pixels_per_unit; }
    /// Returns red, green and blue of every pixel, row by row from the top: 3 x pixels_wide() x pixels_high()
    /// bytes.
    std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
    /// Returns the colour of pixel (x, y), 0 <= x < pixels_wide() and 0 <= y < pixels_high(), which is not
    /// checked.
    rgb pixel(int x, int y) const noexcept {
        const auto at = offset(x, y);
        return {bytes_[at], bytes_[at + 1], bytes_[at + 2]};
    }

    /// Restricts all that is drawn from now on to the inside of `area`.
    void clip(const box& area) { clip_ = pixels_around(area, {0, 0, pixels_wide_, pixels_high_}); }
    /// Lets the whole picture be drawn on again.
    void unclip() noexcept { clip_ = {0, 0, pixels_wide_, pixels_high_}; }

    /// Fills a rectangle. Its sides are moved to whole pixels, so that they are always sharp.
    void fill(const box& area, rgb colour, double alpha = 1) {
        shade(
            area, [colour](double, double) { return colour; }, alpha);
    }

    /// Gives every pixel of a rectangle the colour f(u, v), an rgb, where u and v in (0, 1) are its place
    /// from the upper left corner. f is called once for each pixel.
    template <class F>
    void shade(const box& area, F f, double alpha = 1) {
        check_alpha(alpha);
        const auto round = [](double value) { return std::round(value * pixels_per_unit) / pixels_per_unit; };
        const auto pixels = pixels_around(
            {round(area.left), round(area.top), round(area.right), round(area.bottom)}, clip_);
        for (int y = pixels.top; y < pixels.bottom; ++y)
            for (int x = pixels.left; x < pixels.right; ++x) {
                const double u = ((x + 0.5) / pixels_per_unit - area.left) / area.width();
                const double v = ((y + 0.5) / pixels_per_unit - area.top) / area.height();
                blend(x, y, f(u, v), alpha);
            }
    }

    /// Draws a line through the points, with round ends and corners. One point alone gives a disc.
    void line(std::span<const point> points, const stroke& style) {
        check(points);
        check(style);
        if (points.empty()) return;
        const double radius = style.width * pixels_per_unit / 2;
        cover(around(points, radius + 1), 1, style.colour, style.alpha, [&](detail::coverage& shape) {
            if (points.size() == 1) shape.add_line(device(points[0]), device(points[0]), radius);
            double walked = 0;
            for (std::size_t i = 1; i < points.size(); ++i)
                walked = add_dashes(shape, points[i - 1], points[i], walked, style);
        });
    }
    /// Draws a line through these points.
    void line(std::initializer_list<point> points, const stroke& style) {
        line(std::span{points.begin(), points.size()}, style);
    }

    /// Draws a disc about `centre`.
    void disc(point centre, double radius, rgb colour, double alpha = 1) {
        line({centre}, {.colour = colour, .width = 2 * radius, .alpha = alpha});
    }

    /// Fills the inside of closed contours. A contour inside another one of the opposite direction is a hole.
    void polygon(std::span<const std::vector<point>> contours, rgb colour, double alpha = 1) {
        std::vector<std::vector<point>> moved{contours.begin(), contours.end()};
        std::vector<point> all;
        for (auto& contour : moved) {
            check(contour);
            all.insert(all.end(), contour.begin(), contour.end());
            for (auto& corner : contour) corner = device(corner);
        }
        check_alpha(alpha);
        if (all.empty()) return;
        cover(around(all, 1), all.size(), colour, alpha,
              [&](detail::coverage& shape) { shape.add_polygon(moved); });
    }
    /// Fills the inside of one closed contour.
    void polygon(std::vector<point> contour, rgb colour, double alpha = 1) {
        const std::vector<std::vector<point>> contours{std::move(contour)};
        polygon(contours, colour, alpha);
    }

private:
    /// A larger picture would not be looked at, and its bytes would not fit into the int that the PNG writer
    /// takes.
    static constexpr double max_side = 8192;

    /// A picture of this area takes 200 MB of pixels; the largest picture of a report has a hundredth of it.
    static constexpr double max_area = 1 << 24;

    /// This coordinate is far outside of any picture. It is bounded because a dashed line to infinity would
    /// never end.
    static constexpr double max_coordinate = 1e6;

    /// A shape is drawn in bands, so that neither its coverage (8 bytes a pixel) nor the crossings of its
    /// edges with the lines of a band take more than some tens of megabytes.
    static constexpr std::size_t band_pixels = std::size_t{1} << 22, band_crossings = std::size_t{1} << 18;

    /// Throws unless alpha lies in [0, 1].
    static void check_alpha(double alpha) {
        if (!(alpha >= 0 && alpha <= 1))
            throw std::invalid_argument{"canvas: alpha " + digits_of(alpha) + ", where it is from 0 to 1"};
    }
    /// Throws unless the lengths of a stroke are those that `stroke` allows.
    static void check(const stroke& style) {
        check_alpha(style.alpha);
        for (const auto& [name, length] :
             {std::pair{"width", style.width}, {"dash", style.dash}, {"gap", style.gap}})
            if (!(length >= 0 && length <= max_side))
                throw std::invalid_argument{std::string{"canvas: a stroke of "} + name + " " +
                                            digits_of(length) + ", where it is from 0 to " +
                                            digits_of(max_side)};
        // Shorter dashes would look like a grey line, and take nearly for ever.
        constexpr double least = 1.0 / pixels_per_unit;
        if (style.gap > 0 && style.dash + style.gap < least)
            throw std::invalid_argument{"canvas: a stroke of dash " + digits_of(style.dash) + " and gap " +
                                        digits_of(style.gap) + ", where they are together at least " +
                                        digits_of(least)};
    }

    /// Blends the colour into those of these pixels that add(shape) covers. `edges` bounds how many edges of
    /// the shape one line of pixels crosses.
    template <class Add>
    void cover(detail::pixel_box pixels, std::size_t edges, rgb colour, double alpha, Add add) {
        if (pixels.empty()) return;
        const auto width = static_cast<std::size_t>(pixels.right - pixels.left);
        const auto lines = std::max<std::size_t>(
            1, std::min(band_pixels / width, band_crossings / std::max<std::size_t>(edges, 1)));
        while (pixels.top < pixels.bottom) {
            auto band = pixels;
            band.bottom = static_cast<int>(std::min<std::size_t>(
                static_cast<std::size_t>(pixels.bottom), static_cast<std::size_t>(pixels.top) + lines));
            detail::coverage shape{band};
            add(shape);
            blend(shape, colour, alpha);
            pixels.top = band.bottom;
        }
    }

    /// Returns a place in pixels.
    static point device(point p) noexcept { return {p.x * pixels_per_unit, p.y * pixels_per_unit}; }

    /// Throws unless all coordinates are numbers in [-1e6, 1e6].
    static void check(std::span<const point> points) {
        for (const auto& p : points)
            if (!(std::abs(p.x) <= max_coordinate && std::abs(p.y) <= max_coordinate))
                throw std::invalid_argument{"canvas: a point at (" + digits_of(p.x) + ", " + digits_of(p.y) +
                                            ")"};
    }

    static detail::pixel_box pixels_around(const box& area, detail::pixel_box limits) {
        const point corners[] = {{area.left, area.top}, {area.right, area.bottom}};
        check(corners);
        return detail::pixels_around(area.left * pixels_per_unit, area.top * pixels_per_unit,
                                     area.right * pixels_per_unit, area.bottom * pixels_per_unit, limits);
    }

    /// Returns the pixels inside the clip that a shape through the points can touch, if it reaches `reach`
    /// pixels to all sides of them.
    detail::pixel_box around(std::span<const point> points, double reach) const {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        point least{infinity, infinity}, most{-infinity, -infinity};
        for (const auto& p : points) {
            const auto [x, y] = device(p);
            least = {std::min(least.x, x), std::min(least.y, y)};
            most = {std::max(most.x, x), std::max(most.y, y)};
        }
        return detail::pixels_around(least.x - reach, least.y - reach, most.x + reach, most.y + reach, clip_);
    }

    /// Adds the dashes of the segment from a to b, which begins `walked` units after the start of the line,
    /// and returns where the next segment begins.
    static double add_dashes(detail::coverage& shape, point a, point b, double walked, const stroke& style) {
        const double length = std::hypot(b.x - a.x, b.y - a.y), radius = style.width * pixels_per_unit / 2;
        const double period = style.gap > 0 ? style.dash + style.gap : 0;
        if (period == 0 || length == 0) {
            shape.add_line(device(a), device(b), radius);
            return walked + length;
        }
        if (!shape.reaches(device(a), device(b), radius)) return walked + length; // no dash is seen
        const auto at = [&](double walk) {
            return device({a.x + (b.x - a.x) * (walk / length), a.y + (b.y - a.y) * (walk / length)});
        };
        double start = -std::fmod(walked, period), end = length;
        // Dashes far outside of the picture are skipped.
        if (constexpr double many = 1000; length > many * period) {
            const auto [enters, leaves] = shape.visible_part(device(a), device(b), radius);
            start += std::max(0.0, std::floor((enters * length - start) / period) - 1) * period;
            end = std::min(length, leaves * length + period);
        }
        for (; start < end; start += period) {
            const double from = std::max(start, 0.0), to = std::min(start + style.dash, length);
            if (from < to) shape.add_line(at(from), at(to), radius);
        }
        return walked + length;
    }

    void blend(const detail::coverage& shape, rgb colour, double alpha) {
        const auto pixels = shape.box();
        for (int y = pixels.top; y < pixels.bottom; ++y)
            for (int x = pixels.left; x < pixels.right; ++x) blend(x, y, colour, alpha * shape.at(x, y));
    }

    void blend(int x, int y, rgb colour, double alpha) noexcept {
        if (alpha <= 0) return;
        const auto at = offset(x, y);
        const auto mixed = mix(pixel(x, y), colour, alpha);
        bytes_[at] = mixed.red, bytes_[at + 1] = mixed.green, bytes_[at + 2] = mixed.blue;
    }

    std::size_t offset(int x, int y) const noexcept {
        return 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(pixels_wide_) +
                    static_cast<std::size_t>(x));
    }

    int pixels_wide_ = 0;
    int pixels_high_ = 0;
    detail::pixel_box clip_;
    std::vector<std::uint8_t> bytes_;
};

} // namespace diamond::io
