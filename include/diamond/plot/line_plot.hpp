/// This header draws line plots: named curves over linear or logarithmic axes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/curve.hpp>
#include <diamond/plot/detail/frame.hpp>
#include <diamond/plot/text.hpp>

namespace diamond::plot {

/// A reference is a dashed line across the plot at height y, which the legend names.
struct reference_line {
    double y = 0;                ///< the place of the line on the vertical axis
    std::string name = {};       ///< its name in the legend; empty: not in the legend
    rgb colour = colours::faded; ///< the colour of the dashes
};

/// A line plot shows curves over two axes. `width` and `height` are those of the area between the axes, and
/// the picture is larger by what its texts need. With `equal_aspect`, one of the two is less, so that a unit
/// of x is as long as a unit of y; both axes are then linear.
struct line_plot {
    std::string title = {};                      ///< the text above the plot; empty: none
    axis x = {};                                 ///< label, scale and range of the horizontal axis
    axis y = {};                                 ///< label, scale and range of the vertical axis
    std::vector<curve> curves = {};              ///< the curves, the last one on top
    std::vector<reference_line> references = {}; ///< dashed lines across the plot
    /// The width of the area between the axes, in units of the canvas.
    double width = 480;
    double height = 300;       ///< the height of that area, in units of the canvas
    bool equal_aspect = false; ///< whether units of x and y are equally long
};

namespace detail {

inline constexpr double legend_line = 28; // length of the sample of a curve in the legend

inline stroke reference_stroke(const reference_line& reference) {
    return {.colour = reference.colour, .width = 1.4, .dash = 5, .gap = 4};
}

/// Returns the ranges given, or those of all that is drawn, first x and then y.
/// @throws std::invalid_argument if no point of a curve, or not every reference, can be drawn on the axes.
inline std::pair<value_range, value_range> ranges_of(const line_plot& plot) {
    std::vector<double> xs, ys;
    for (const auto& c : plot.curves)
        for (std::size_t i = 0; i < c.x.size(); ++i) {
            if (!has_place(plot.x.scale, c.x[i]) || !has_place(plot.y.scale, c.y[i])) continue;
            xs.push_back(c.x[i]);
            ys.push_back(c.y[i]);
            if (!c.error.empty()) ys.insert(ys.end(), {c.y[i] - c.error[i], c.y[i] + c.error[i]});
        }
    if (xs.empty())
        throw std::invalid_argument{
            "line_plot: no curve has a point with a place on the axes: give a point of "
            "finite numbers, above 0 on a logarithmic axis"};
    for (const auto& r : plot.references) {
        if (!has_place(plot.y.scale, r.y))
            throw std::invalid_argument{"line_plot: reference '" + r.name + "' at " + digits_of(r.y) +
                                        " has no place on the y axis: give a finite number, above 0 on a "
                                        "logarithmic axis"};
        ys.push_back(r.y);
    }
    return {plot.x.range ? *plot.x.range : *range_of(plot.x.scale, xs, range_margin),
            plot.y.range ? *plot.y.range : *range_of(plot.y.scale, ys, range_margin)};
}

/// Returns the width and the height of the area between the axes.
/// @throws std::invalid_argument if they are not in [1, 8192], or an axis of equal aspect is logarithmic.
inline std::pair<double, double> area_of(const line_plot& plot, value_range x, value_range y) {
    check_area("line_plot", plot.width, plot.height);
    if (!plot.equal_aspect) return {plot.width, plot.height};
    if (plot.x.scale != axis_scale::linear || plot.y.scale != axis_scale::linear)
        throw std::invalid_argument{
            "line_plot: equal_aspect on a logarithmic axis, which has no unit: make both "
            "axes linear"};
    // the longest unit that both sides have space for
    const double unit = std::min(plot.width / (x.to - x.from), plot.height / (y.to - y.from));
    const double width = unit * (x.to - x.from), height = unit * (y.to - y.from);
    check_area("line_plot with equal_aspect", width, height);
    return {width, height};
}

/// Calls f(name, draw_sample) for every named curve and reference, where draw_sample(picture, from, to) draws
/// its sample.
template <class F>
void for_each_legend_entry(const line_plot& plot, F f) {
    for (std::size_t i = 0; i < plot.curves.size(); ++i)
        if (const auto& c = plot.curves[i]; !c.name.empty())
            f(c.name, [&c, i](canvas& picture, point from, point to) {
                const auto style = curve_stroke(c, i);
                if (c.joined) picture.line({from, to}, style);
                if (c.marked) draw_mark(picture, {(from.x + to.x) / 2, from.y}, i, style.colour);
            });
    for (const auto& r : plot.references)
        if (!r.name.empty())
            f(r.name, [&r](canvas& picture, point from, point to) {
                picture.line({from, to}, reference_stroke(r));
            });
}

} // namespace detail

/// Draws a plot, with the title above and the legend to the right. Nothing is cut off.
/// @throws std::invalid_argument if the width or the height is not in [1, 8192], the vectors of a curve
/// differ in length, an error is below zero, a line is not wider than zero, no point or not every reference
/// can be drawn on the axes, a range is invalid (from >= to, or not above zero on a logarithmic axis), or
/// equal aspect is asked for on a logarithmic axis or of ranges that leave less than a unit of one side.
inline canvas draw(const line_plot& plot) {
    using namespace detail;
    for (const auto& c : plot.curves) check("line_plot", c);
    const auto [x_range, y_range] = ranges_of(plot);
    const auto [width, height] = area_of(plot, x_range, y_range);
    const auto x = ruler::lying(plot.x, x_range, width), y = ruler::upright(plot.y, y_range, height);

    double entries = 0, widest_name = 0;
    for_each_legend_entry(plot, [&](const std::string& name, const auto&) {
        ++entries;
        widest_name = std::max(widest_name, text_width(name, label_size));
    });
    const double legend = entries > 0 ? 2 * spacing + legend_line + spacing + widest_name
                                      : x.widest_mark() / 2;

    const double left = std::ceil(margin + room_left(y)), top = std::ceil(margin + room_above(plot.title));
    const box area{left, top, left + width, top + height};
    canvas picture{std::max(area.right + legend, left + text_width(plot.title, title_size)) + margin,
                   std::max(area.bottom + room_below(x), top + entries * line_height) + margin};
    draw_text(picture, {area.left, margin + title_size * 0.8}, plot.title, {.size = title_size});

    const frame place{area, x, y};
    place.draw_grid(picture);
    place.draw_x_axis(picture);
    place.draw_y_axis(picture);
    picture.clip(area);
    for (const auto& r : plot.references) {
        const double at_y = place(x_range.from, r.y).y;
        picture.line({{area.left, at_y}, {area.right, at_y}}, reference_stroke(r));
    }
    picture.unclip();
    for (std::size_t i = 0; i < plot.curves.size(); ++i) draw_curve(picture, place, plot.curves[i], i);

    point at{area.right + 2 * spacing, area.top + line_height / 2};
    for_each_legend_entry(plot, [&](const std::string& name, const auto& draw_sample) {
        draw_sample(picture, at, {at.x + legend_line, at.y});
        draw_text(picture, {at.x + legend_line + spacing, at.y + capital_height(label_size) / 2}, name,
                  {.size = label_size});
        at.y += line_height;
    });
    return picture;
}

} // namespace diamond::plot
