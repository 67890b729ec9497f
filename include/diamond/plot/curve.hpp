/// This header defines one curve of a line plot: its points, and how they are drawn.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/colour.hpp>
#include <diamond/plot/detail/frame.hpp>

namespace diamond::plot {

/// The errors of a curve are drawn as vertical bars or as a band around the curve.
enum class error_style { bars, band };

/// A curve goes through the points (x[i], y[i]) in their order. A point that cannot be drawn on the axes
/// (NaN, infinite, or not above zero on a logarithmic axis) is left out and breaks the line.
struct curve {
    std::string name = {};                    ///< its name in a line_plot's legend; empty: not in the legend
    std::vector<double> x = {};               ///< the x of each point, in the order of the line
    std::vector<double> y = {};               ///< the y of each point, as many as x
    std::vector<double> error = {};           ///< half length of the bar at each point: >= 0, or NaN for none
    error_style errors = error_style::bars;   ///< bars at the points, or a band along the curve
    bool joined = true;                       ///< whether a line joins the points
    bool marked = true;                       ///< whether every point has a mark
    std::optional<rgb> colour = std::nullopt; ///< the next colour of the palette, unless given
    double width = 2; ///< of the line, in units of the canvas, above 0 and at most 100
};

namespace detail {

inline constexpr double max_curve_width = 100; // a wider line is no line
inline constexpr double error_width = 1.2;
inline constexpr double mark_radius = 3.6;
inline constexpr double band_alpha = 0.18; // three bands on top of each other can still be told apart

/// Checks that a curve can be drawn; `where` names the caller in errors.
/// @throws std::invalid_argument if the lengths of its vectors differ, an error is negative, or the line has
/// no width.
inline void check(const std::string& where, const curve& c) {
    const auto name = where + ": curve '" + c.name + "' has ";
    if (c.x.size() != c.y.size() || (!c.error.empty() && c.error.size() != c.y.size()))
        throw std::invalid_argument{name + digits_of(c.x.size()) + " x, " + digits_of(c.y.size()) +
                                    " y and " + digits_of(c.error.size()) +
                                    " errors, where there are as many y as x, and as many errors or none"};
    for (const double error : c.error)
        if (error < 0)
            throw std::invalid_argument{name + "the error " + digits_of(error) +
                                        ", where errors are at least 0, or NaN for none"};
    if (!(c.width > 0 && c.width <= max_curve_width))
        throw std::invalid_argument{name + "the width " + digits_of(c.width) +
                                    ", where a line is wider than 0 and at most " +
                                    digits_of(max_curve_width)};
}

/// Returns how the curve of this index is drawn. After the last colour of the palette, the colours begin
/// again with dashed lines.
inline stroke curve_stroke(const curve& c, std::size_t index) {
    const auto count = colours::palette.size();
    return {.colour = c.colour.value_or(colours::palette[index % count]),
            .width = c.width,
            .dash = 8,
            .gap = index < count ? 0.0 : 4.0};
}

/// Draws a disc, a square, a triangle or a lozenge, depending on the index, so that curves differ in more
/// than colour.
inline void draw_mark(canvas& picture, point at, std::size_t index, rgb colour) {
    const auto corner = [&](double x, double y) {
        return point{at.x + x * mark_radius, at.y + y * mark_radius};
    };
    switch (index % 4) { // the four sizes look alike
    case 0:
        return picture.disc(at, mark_radius, colour);
    case 1:
        return picture.polygon({corner(-0.9, -0.9), corner(0.9, -0.9), corner(0.9, 0.9), corner(-0.9, 0.9)},
                               colour);
    case 2:
        return picture.polygon({corner(0, -1.3), corner(1.2, 0.9), corner(-1.2, 0.9)}, colour);
    default:
        return picture.polygon({corner(0, -1.35), corner(1.35, 0), corner(0, 1.35), corner(-1.35, 0)},
                               colour);
    }
}

/// Draws the errors of these points. A lower end that cannot be drawn on the axis reaches to the end of the
/// axis.
inline void draw_errors(canvas& picture, const frame& place, const curve& c,
                        std::span<const std::size_t> points, rgb colour) {
    std::vector<point> upper, lower;
    for (const auto i : points) {
        const double low = c.y[i] - c.error[i], high = c.y[i] + c.error[i];
        if (!std::isfinite(low) || !std::isfinite(high)) continue;
        lower.push_back(place(c.x[i], has_place(place.y().scale(), low) ? low : place.y().range().from));
        upper.push_back(place(c.x[i], high));
    }
    if (c.errors == error_style::band) {
        upper.insert(upper.end(), lower.rbegin(), lower.rend());
        return picture.polygon(upper, colour, band_alpha);
    }
    const stroke thin{.colour = colour, .width = error_width};
    for (std::size_t k = 0; k < upper.size(); ++k) {
        picture.line({lower[k], upper[k]}, thin);
        for (const auto& end : {lower[k], upper[k]})
            picture.line({{end.x - mark_radius, end.y}, {end.x + mark_radius, end.y}}, thin);
    }
}

/// Draws the curve of this index inside the frame, for each run of points that can be drawn: errors first,
/// lines over them, marks on top.
inline void draw_curve(canvas& picture, const frame& place, const curve& c, std::size_t index) {
    const auto style = curve_stroke(c, index);
    std::vector<std::size_t> run;
    std::vector<point> points;
    for (std::size_t i = 0; i <= c.x.size(); ++i) {
        if (i < c.x.size() && place.has(c.x[i], c.y[i])) {
            run.push_back(i);
            points.push_back(place(c.x[i], c.y[i]));
            continue;
        }
        picture.clip(place.area());
        if (!c.error.empty()) draw_errors(picture, place, c, run, style.colour);
        if (c.joined && (points.size() > 1 || !c.marked)) picture.line(points, style);
        picture.unclip(); // a mark on the edge is drawn whole
        for (const auto& p : points)
            if (c.marked && contains(place.area(), p)) draw_mark(picture, p, index, style.colour);
        run.clear();
        points.clear();
    }
}

} // namespace detail
} // namespace diamond::plot
