/// This header draws the frame of a plot: an area, its two axes with their marks and labels, and the space
/// around it.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/text.hpp>

namespace diamond::plot::detail {

inline constexpr double title_size = 15;
inline constexpr double label_size = 12;
inline constexpr double tick_size = 11;
inline constexpr double margin = 16;      // around a whole picture
inline constexpr double spacing = 8;      // between neighbouring elements
inline constexpr double line_height = 20; // of legends, and of titles at label_size
inline constexpr double tick_length = 4;
inline constexpr double axis_width = 1;
// This share of the axis lies between its ends and the outermost points.
inline constexpr double range_margin = 0.05;

/// Coordinates are clamped to this bound. It changes no line that is still seen, and a canvas takes
/// coordinates up to 1e6.
inline constexpr double far_away = 1e5;

/// Checks the extents of an area before marks are laid out along it.
/// @throws std::invalid_argument unless both lie in [1, 8192].
inline void check_area(const char* what, double width, double height) {
    constexpr double least = 1, most = 8192; // the bound of a canvas
    for (const double side : {width, height})
        if (!(side >= least && side <= most))
            throw std::invalid_argument{std::string{what} + ": an area of " + digits_of(width) + " x " +
                                        digits_of(height) + ", where both are from 1 to " + digits_of(most)};
}

/// A ruler is an axis that is ready to be drawn, with as many marks as its length has space for.
struct ruler {
    axis_map map;
    std::vector<tick> marks;
    std::string label;

    /// Returns an axis to the left, whose labels stand above each other.
    static ruler upright(const axis& axis, value_range range, double length) {
        // A label has about three lines of text; more labels would look crowded.
        constexpr double pixels_a_tick = 40;
        return {{axis.scale, range}, std::max(2, static_cast<int>(length / pixels_a_tick)), axis.label};
    }

    /// Returns an axis below, whose labels stand beside each other.
    static ruler lying(const axis& axis, value_range range, double length) {
        constexpr double pixels_a_tick = 70; // twice the width of a label of four digits
        for (int wanted = std::max(3, static_cast<int>(length / pixels_a_tick));; --wanted) {
            ruler result{{axis.scale, range}, wanted, axis.label};
            if (wanted <= 2 || result.narrowest_step() * length > result.widest_mark() + spacing)
                return result;
        }
    }

    ruler(const axis_map& axis, int wanted, std::string name)
        : map{axis}, marks{ticks(axis, wanted)}, label{std::move(name)} {}

    /// Returns the least distance between labelled marks, as a share of the axis.
    double narrowest_step() const {
        double least = 1, before = -1;
        for (const auto& mark : marks) {
            if (mark.label.empty()) continue;
            least = std::min(least, map(mark.value) - before);
            before = map(mark.value);
        }
        return least;
    }

    /// Returns the width of the widest label.
    double widest_mark() const {
        double width = 0;
        for (const auto& mark : marks) width = std::max(width, text_width(mark.label, tick_size));
        return width;
    }
};

/// These functions return how much space an axis takes to the left of an area, and below it.
inline double room_left(const ruler& y) {
    return tick_length + spacing / 2 + y.widest_mark() + (y.label.empty() ? 0 : spacing + label_size);
}
inline double room_below(const ruler& x) {
    return tick_length + spacing / 2 + capital_height(tick_size) +
           (x.label.empty() ? 0 : spacing + label_size);
}

/// Returns how much space a title of the picture takes above an area.
inline double room_above(const std::string& title) { return title.empty() ? 0 : title_size + 1.5 * spacing; }

/// Returns whether a point lies in an area, up to rounding.
inline bool contains(const box& area, point p) {
    constexpr double slack = 1e-6; // the rounding error of points that define the range
    return p.x >= area.left - slack && p.x <= area.right + slack && p.y >= area.top - slack &&
           p.y <= area.bottom + slack;
}

/// The frame is an area of a picture with one ruler below and one to its left.
class frame {
public:
    frame(const box& area, const ruler& x, const ruler& y) : area_{area}, x_{x}, y_{y} {}

    const box& area() const noexcept { return area_; }
    const axis_map& x() const noexcept { return x_.map; }
    const axis_map& y() const noexcept { return y_.map; }

    /// Returns whether the point (x, y) can be drawn on the axes.
    bool has(double x, double y) const {
        return has_place(x_.map.scale(), x) && has_place(y_.map.scale(), y);
    }

    /// Returns the place of the point (x, y) in the picture.
    point operator()(double x, double y) const {
        return {std::clamp(area_.left + x_.map(x) * area_.width(), -far_away, far_away),
                std::clamp(area_.bottom - y_.map(y) * area_.height(), -far_away, far_away)};
    }

    /// Draws grid lines at the labelled marks of both axes.
    void draw_grid(canvas& picture) const {
        for (const auto& mark : x_.marks)
            if (!mark.label.empty())
                vertical(picture, mark.value, area_.top, area_.bottom, colours::hairline);
        for (const auto& mark : y_.marks)
            if (!mark.label.empty())
                horizontal(picture, mark.value, area_.left, area_.right, colours::hairline);
    }

    /// Draws the axis below the area with its marks and its label.
    void draw_x_axis(canvas& picture) const {
        picture.fill({area_.left, area_.bottom - axis_width / 2, area_.right, area_.bottom + axis_width / 2},
                     colours::ink);
        for (const auto& mark : x_.marks) {
            const double length = mark.label.empty() ? tick_length / 2 : tick_length;
            vertical(picture, mark.value, area_.bottom, area_.bottom + length, colours::ink);
            draw_text(picture,
                      {(*this)(mark.value, y_.map.range().from).x,
                       area_.bottom + tick_length + spacing / 2 + capital_height(tick_size)},
                      mark.label, {.size = tick_size, .align = anchor::middle});
        }
        draw_text(picture, {area_.left + area_.width() / 2, area_.bottom + room_below(x_)}, x_.label,
                  {.size = label_size, .align = anchor::middle});
    }

    /// Draws the axis to the left of the area with its marks and its label.
    void draw_y_axis(canvas& picture) const {
        picture.fill({area_.left - axis_width / 2, area_.top, area_.left + axis_width / 2, area_.bottom},
                     colours::ink);
        for (const auto& mark : y_.marks) {
            const double length = mark.label.empty() ? tick_length / 2 : tick_length;
            horizontal(picture, mark.value, area_.left - length, area_.left, colours::ink);
            draw_text(picture,
                      {area_.left - tick_length - spacing / 2,
                       (*this)(x_.map.range().from, mark.value).y + capital_height(tick_size) / 2},
                      mark.label, {.size = tick_size, .align = anchor::end});
        }
        draw_text(picture, {area_.left - room_left(y_) + label_size * 3 / 4, area_.top + area_.height() / 2},
                  y_.label, {.size = label_size, .align = anchor::middle, .upward = true});
    }

private:
    void vertical(canvas& picture, double value, double top, double bottom, rgb colour) const {
        const double x = (*this)(value, y_.map.range().from).x;
        picture.fill({x - axis_width / 2, top, x + axis_width / 2, bottom}, colour);
    }
    void horizontal(canvas& picture, double value, double left, double right, rgb colour) const {
        const double y = (*this)(x_.map.range().from, value).y;
        picture.fill({left, y - axis_width / 2, right, y + axis_width / 2}, colour);
    }

    box area_;
    const ruler& x_;
    const ruler& y_;
};

} // namespace diamond::plot::detail
