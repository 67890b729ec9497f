/// This header computes which share of each pixel a shape covers, which is what makes edges smooth. Its
/// coordinates are device pixels, with y pointing downwards.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace diamond::io {

/// A point is a place in a picture, with x to the right and y downwards.
struct point {
    double x = 0;
    double y = 0;
};

namespace detail {

/// A pixel_box is the rectangle [left, right) x [top, bottom) of whole pixels.
struct pixel_box {
    int left = 0, top = 0, right = 0, bottom = 0;
    bool empty() const noexcept { return left >= right || top >= bottom; }
};

/// Returns the pixels that lie in both boxes.
inline pixel_box intersection(pixel_box a, pixel_box b) noexcept {
    return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
            std::min(a.bottom, b.bottom)};
}

/// Returns the pixels inside `limits` that touch [left, right] x [top, bottom].
inline pixel_box pixels_around(double left, double top, double right, double bottom,
                               pixel_box limits) noexcept {
    // The value is clamped first, since the cast of a number outside of int is undefined.
    const auto whole = [](double value, int least, int most) {
        return static_cast<int>(std::clamp(value, static_cast<double>(least), static_cast<double>(most)));
    };
    return {whole(std::floor(left), limits.left, limits.right),
            whole(std::floor(top), limits.top, limits.bottom),
            whole(std::ceil(right), limits.left, limits.right),
            whole(std::ceil(bottom), limits.top, limits.bottom)};
}

/// This class computes which share of each pixel of a box is covered by the union of the shapes added.
class coverage {
public:
    explicit coverage(pixel_box box)
        : box_{box},
          shares_(box.empty() ? 0
                              : static_cast<std::size_t>(box.right - box.left) *
                                    static_cast<std::size_t>(box.bottom - box.top)) {}

    pixel_box box() const noexcept { return box_; }
    /// Returns the share of pixel (x, y) that is covered, from 0 to 1.
    double at(int x, int y) const noexcept { return std::min(shares_[index(x, y)], 1.0); }

    /// Returns whether a line from a to b, of this radius, may cover a pixel of the box.
    bool reaches(point a, point b, double radius) const noexcept {
        return !pixels_near(a, b, radius).empty();
    }

    /// Returns which part of the way from a to b may cover a pixel of the box, as two shares of the way. The
    /// part is empty if the second share is less than the first.
    std::pair<double, double> visible_part(point a, point b, double radius) const noexcept {
        double from = 0, to = 1;
        const auto within = [&](double start, double along, double least, double most) {
            if (along == 0) return;
            const double one = (least - start) / along, other = (most - start) / along;
            from = std::max(from, std::min(one, other));
            to = std::min(to, std::max(one, other));
        };
        const double reach = radius + 1;
        within(a.x, b.x - a.x, box_.left - reach, box_.right + reach);
        within(a.y, b.y - a.y, box_.top - reach, box_.bottom + reach);
        return {from, to};
    }

    /// Adds a line from a to b with round ends, which reaches `radius` to either side, or a disc if a equals
    /// b. The time is proportional to the number of pixels near it.
    void add_line(point a, point b, double radius) {
        const auto around = pixels_near(a, b, radius);
        const double dx = b.x - a.x, dy = b.y - a.y;
        const double length = std::max(dx * dx + dy * dy, std::numeric_limits<double>::min());
        for (int y = around.top; y < around.bottom; ++y) {
            const auto [from, to] = columns_near(a, b, radius + 1, y, around);
            for (int x = from; x < to; ++x) {
                const double px = x + 0.5 - a.x, py = y + 0.5 - a.y;
                const double along = std::clamp((px * dx + py * dy) / length, 0.0, 1.0);
                const double distance = std::hypot(px - along * dx, py - along * dy);
                auto& share = shares_[index(x, y)];
                share = std::max(share, std::clamp(radius + 0.5 - distance, 0.0, 1.0));
            }
        }
    }

    /// Adds the inside of closed contours, defined by a nonzero winding number. The result is exact along x,
    /// and uses `scanlines_per_pixel` lines along y.
    void add_polygon(std::span<const std::vector<point>> contours) {
        struct crossing {
            int line;
            double x;
            int direction;
        };
        std::vector<crossing> crossings;
        const int first = box_.top * scanlines_per_pixel, last = box_.bottom * scanlines_per_pixel - 1;
        for (const auto& contour : contours)
            for (std::size_t i = 0; i < contour.size(); ++i) {
                point a = contour[i], b = contour[(i + 1) % contour.size()];
                const int direction = a.y < b.y ? 1 : -1;
                if (direction < 0) std::swap(a, b);
                // Line k lies at y = (k + 1/2) / scanlines_per_pixel. Lines with a.y <= y < b.y cross the
                // edge.
                const auto line_after = [&](double y) {
                    return static_cast<int>(std::clamp(std::ceil(y * scanlines_per_pixel - 0.5),
                                                       static_cast<double>(first),
                                                       static_cast<double>(last) + 1));
                };
                for (int line = line_after(a.y), end = line_after(b.y); line < end; ++line) {
                    const double y = (line + 0.5) / scanlines_per_pixel;
                    crossings.push_back({line, a.x + (b.x - a.x) * ((y - a.y) / (b.y - a.y)), direction});
                }
            }
        std::ranges::sort(crossings, [](const crossing& a, const crossing& b) {
            return a.line != b.line ? a.line < b.line : a.x < b.x;
        });
        for (std::size_t i = 0, winding = 0; i + 1 < crossings.size(); ++i) {
            // The number may wrap around and back, for only zero matters.
            winding += static_cast<std::size_t>(crossings[i].direction);
            if (winding != 0)
                add_span(crossings[i].line / scanlines_per_pixel, crossings[i].x, crossings[i + 1].x);
        }
    }

private:
    /// This number is enough for the slopes of small letters; horizontal edges get as many shades.
    static constexpr int scanlines_per_pixel = 8;

    /// Returns the pixels of the box near a line of this radius from a to b.
    pixel_box pixels_near(point a, point b, double radius) const noexcept {
        const double reach = radius + 1; // for half a pixel of smooth edge, and rounding
        return pixels_around(std::min(a.x, b.x) - reach, std::min(a.y, b.y) - reach,
                             std::max(a.x, b.x) + reach, std::max(a.y, b.y) + reach, box_);
    }

    /// Returns the range [first, second) of columns in the line of pixels y that lie near the part of the
    /// segment that is within `reach` of that line up or down.
    static std::pair<int, int> columns_near(point a, point b, double reach, int y,
                                            pixel_box limits) noexcept {
        double from = 0, to = 1;
        if (const double dy = b.y - a.y; dy != 0) {
            const double up = (y + 0.5 - reach - a.y) / dy, down = (y + 0.5 + reach - a.y) / dy;
            from = std::clamp(std::min(up, down), 0.0, 1.0);
            to = std::clamp(std::max(up, down), 0.0, 1.0);
        }
        const double dx = b.x - a.x;
        const double slack = reach + 1; // one pixel more than rounding at 1e6 needs
        const auto pixels = pixels_around(a.x + std::min(from * dx, to * dx) - slack, y,
                                          a.x + std::max(from * dx, to * dx) + slack, y + 1, limits);
        return {pixels.left, pixels.right};
    }

    /// Adds the covered part [from, to) of one scanline of the line of pixels y.
    void add_span(int y, double from, double to) {
        from = std::clamp(from, static_cast<double>(box_.left), static_cast<double>(box_.right));
        to = std::clamp(to, static_cast<double>(box_.left), static_cast<double>(box_.right));
        for (int x = static_cast<int>(from); x < to; ++x)
            shares_[index(x, y)] += (std::min(to, x + 1.0) - std::max(from, static_cast<double>(x))) /
                                    scanlines_per_pixel;
    }

    std::size_t index(int x, int y) const noexcept {
        return static_cast<std::size_t>(y - box_.top) * static_cast<std::size_t>(box_.right - box_.left) +
               static_cast<std::size_t>(x - box_.left);
    }

    pixel_box box_;
    std::vector<double> shares_;
};

} // namespace detail
} // namespace diamond::io
