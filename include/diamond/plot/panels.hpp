/// This header draws rows of panels for models in two dimensions: densities as heat maps and samples as
/// points on shared axes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/colour.hpp>
#include <diamond/plot/curve.hpp>
#include <diamond/plot/detail/frame.hpp>
#include <diamond/plot/heat_map.hpp>
#include <diamond/plot/text.hpp>

namespace diamond::plot {

/// A cloud consists of points of the plane, {x, y, x, y, ...}, which is byte for byte a 2 x N batch. Points
/// outside of the axes are not seen.
struct point_cloud {
    std::vector<float> points = {};   ///< x and y of each point in turn, in the units of the axes
    rgb colour = colours::palette[0]; ///< the colour of all points of the cloud
    double radius = 1;                ///< the radius of a point, in units of the canvas
    double alpha = 0.5;               ///< the opacity of a point: 0 is not seen, 1 hides what is below
};

/// A panel has a title, optionally a heat map over the whole area, points on top of it, and curves over both.
struct panel {
    std::string title = {};                         ///< the text above the panel; empty: none
    std::optional<heat_map> density = std::nullopt; ///< covers the whole area where there is one
    std::vector<point_cloud> clouds = {};           ///< the points, on top of the density
    std::vector<curve> curves = {};                 ///< the curves, on top of the points
};

/// A row shows panels side by side, `columns` of them in a line (0 puts all into one line). Each has an area
/// of `width`, and a height that makes the units of x and y equally long. Axes without a range have that of
/// all points of clouds and curves; a density needs ranges.
struct panel_row {
    std::string title = {};         ///< the text above the row; empty: none
    axis x = {};                    ///< label, scale and range of each panel's horizontal axis
    axis y = {};                    ///< label, scale and range of each panel's vertical axis
    std::vector<panel> panels = {}; ///< the panels, from the left
    std::size_t columns = 0;        ///< the panels in a line; 0: all of them
    double width = 200;             ///< the width of a panel's area, in units of the canvas
};

namespace detail {

/// The radius of a point may not be larger. A larger one would be an area, and ten thousand of them would
/// take minutes.
inline constexpr double max_radius = 100;

/// Checks that the panels can be drawn.
/// @throws std::invalid_argument if they cannot; `draw` lists the reasons.
inline void check(const panel_row& row) {
    if (row.panels.empty()) throw std::invalid_argument{"panel_row: no panels: give at least one"};
    if (row.x.scale != axis_scale::linear || row.y.scale != axis_scale::linear)
        throw std::invalid_argument{"panel_row: a logarithmic axis, where both are linear"};
    for (const auto& panel : row.panels) {
        for (const auto& cloud : panel.clouds)
            if (cloud.points.size() % 2 != 0)
                throw std::invalid_argument{"panel_row: panel '" + panel.title + "' has " +
                                            digits_of(cloud.points.size()) +
                                            " coordinates, an odd number: each point has an x and a y"};
        for (const auto& cloud : panel.clouds)
            if (!(cloud.radius >= 0 && cloud.radius <= max_radius) || !(cloud.alpha >= 0 && cloud.alpha <= 1))
                throw std::invalid_argument{"panel_row: panel '" + panel.title + "' has points of radius " +
                                            digits_of(cloud.radius) + " and alpha " + digits_of(cloud.alpha) +
                                            ", where they are from 0 to " + digits_of(max_radius) +
                                            " and from 0 to 1"};
        for (const auto& c : panel.curves) check("panel_row: panel '" + panel.title + "'", c);
        if (panel.density) check(*panel.density);
        if (panel.density && (!row.x.range || !row.y.range))
            throw std::invalid_argument{"panel_row: panel '" + panel.title +
                                        "' has a density, but an axis no range: give x.range and y.range, "
                                        "which the density covers"};
    }
}

/// Returns the range given, or the range of coordinate 0 (x) or 1 (y) of all points.
inline value_range range_along(const panel_row& row, const axis& axis, std::size_t coordinate) {
    if (axis.range) return *axis.range;
    std::vector<double> values;
    for (const auto& panel : row.panels) {
        for (const auto& cloud : panel.clouds)
            for (std::size_t i = coordinate; i < cloud.points.size(); i += 2)
                values.push_back(cloud.points[i]);
        for (const auto& c : panel.curves) {
            const auto& along = coordinate == 0 ? c.x : c.y;
            values.insert(values.end(), along.begin(), along.end());
        }
    }
    const auto range = range_of(axis_scale::linear, values, range_margin);
    if (!range)
        throw std::invalid_argument{"panel_row: an axis without a range, and no finite point: give either"};
    return *range;
}

/// Draws one panel into the area of the frame.
inline void draw_panel(canvas& picture, const panel& panel, const frame& place) {
    const auto& area = place.area();
    if (panel.density) {
        const auto shades = shades_of(*panel.density);
        picture.shade(area, [&](double u, double v) {
            const double value = value_at(*panel.density, u, 1 - v);
            return colour_at(panel.density->colours, (value - shades.from) / (shades.to - shades.from));
        });
    } else {
        place.draw_grid(picture);
    }
    picture.clip(area);
    for (const auto& cloud : panel.clouds)
        for (std::size_t i = 0; i < cloud.points.size(); i += 2)
            if (place.has(cloud.points[i], cloud.points[i + 1]))
                picture.disc(place(cloud.points[i], cloud.points[i + 1]), cloud.radius, cloud.colour,
                             cloud.alpha);
    picture.unclip();
    for (std::size_t i = 0; i < panel.curves.size(); ++i) draw_curve(picture, place, panel.curves[i], i);
    for (const double y : {area.top, area.bottom})
        picture.fill(
            {area.left - axis_width / 2, y - axis_width / 2, area.right + axis_width / 2, y + axis_width / 2},
            colours::ink);
    for (const double x : {area.left, area.right})
        picture.fill({x - axis_width / 2, area.top, x + axis_width / 2, area.bottom}, colours::ink);
    draw_text(picture, {area.left + area.width() / 2, area.top - spacing}, panel.title,
              {.size = label_size, .align = anchor::middle});
}

} // namespace detail

/// Draws the panels. The y axis stands to the left of each line of panels, the x axis below the lowest panel
/// of each column.
/// @throws std::invalid_argument if there are no panels, the sizes of a heat map disagree, an axis is
/// logarithmic or has neither a range nor a point to take it from, a density stands on an axis without a
/// range, coordinates are odd in number, a radius is not in [0, 100], an alpha is not in [0, 1], a curve
/// cannot be drawn in a line_plot, or width or height of a panel is not in [1, 8192].
inline canvas draw(const panel_row& row) {
    using namespace detail;
    check(row);
    const auto x_range = range_along(row, row.x, 0), y_range = range_along(row, row.y, 1);
    const double height = row.width * (y_range.to - y_range.from) / (x_range.to - x_range.from);
    check_area("panel_row", row.width, height);
    const auto x = ruler::lying(row.x, x_range, row.width), y = ruler::upright(row.y, y_range, height);

    const auto count = row.panels.size();
    const auto columns = row.columns == 0 ? count : std::min(row.columns, count);
    const auto lines = (count + columns - 1) / columns;
    double widest_title = 0;
    for (const auto& panel : row.panels)
        widest_title = std::max(widest_title, text_width(panel.title, label_size));
    // Whole units make equal panels equal to the pixel.
    const double pitch_x = std::ceil(
        std::max(row.width + spacing + std::max(spacing, x.widest_mark()), widest_title + spacing));
    const double pitch_y = std::ceil(height + line_height + spacing);
    const double overhang = std::max(0.0, (widest_title - row.width) / 2);
    const double left = std::ceil(margin + std::max(room_left(y), overhang));
    const double top = std::ceil(margin + room_above(row.title) + line_height);

    canvas picture{std::max(left + static_cast<double>(columns - 1) * pitch_x + row.width +
                                std::max(overhang, x.widest_mark() / 2),
                            margin + text_width(row.title, title_size)) +
                       margin,
                   top + static_cast<double>(lines - 1) * pitch_y + height + room_below(x) + margin};
    draw_text(picture, {margin, margin + title_size * 0.8}, row.title, {.size = title_size});
    for (std::size_t i = 0; i < count; ++i) {
        const double at_x = left + static_cast<double>(i % columns) * pitch_x;
        const double at_y = top + static_cast<double>(i / columns) * pitch_y;
        const frame place{{at_x, at_y, at_x + row.width, at_y + height}, x, y};
        draw_panel(picture, row.panels[i], place);
        if (i % columns == 0) place.draw_y_axis(picture);
        if (i + columns >= count) place.draw_x_axis(picture);
    }
    return picture;
}

} // namespace diamond::plot
