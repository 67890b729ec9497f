// What the tests of pictures ask of their pixels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include <diamond/plot/canvas.hpp>

namespace diamond_test {

/// Calls f(x, y, colour) for every pixel.
template <class F>
void for_each_pixel(const diamond::plot::canvas& picture, F f) {
    for (int y = 0; y < picture.pixels_high(); ++y)
        for (int x = 0; x < picture.pixels_wide(); ++x) f(x, y, picture.pixel(x, y));
}

/// The number of pixels of a colour.
inline std::size_t count(const diamond::plot::canvas& picture, diamond::plot::rgb colour) {
    std::size_t found = 0;
    for_each_pixel(picture, [&](int, int, auto pixel) {
        if (pixel == colour) ++found;
    });
    return found;
}

/// The area that is drawn black on white, in units; half-covered pixels count half.
inline double black_area(const diamond::plot::canvas& picture) {
    double sum = 0;
    for_each_pixel(picture, [&](int, int, auto pixel) { sum += 1 - pixel.red / 255.0; });
    return sum / (diamond::plot::pixels_per_unit * diamond::plot::pixels_per_unit);
}

inline bool same_pixels(const diamond::plot::canvas& a, const diamond::plot::canvas& b) {
    if (a.pixels_wide() != b.pixels_wide() || a.pixels_high() != b.pixels_high()) return false;
    bool same = true;
    for_each_pixel(a, [&](int x, int y, auto pixel) { same = same && pixel == b.pixel(x, y); });
    return same;
}

/// Pixels [left, right) x [top, bottom) around all that matches.
struct extent {
    int left = std::numeric_limits<int>::max(), top = std::numeric_limits<int>::max();
    int right = std::numeric_limits<int>::min(), bottom = std::numeric_limits<int>::min();

    int width() const { return right - left; }
    int height() const { return bottom - top; }
    bool empty() const { return right <= left; }
};

/// The pixels that matches(colour) holds for.
template <class Matches>
extent extent_of(const diamond::plot::canvas& picture, Matches matches) {
    extent found;
    for_each_pixel(picture, [&](int x, int y, auto pixel) {
        if (!matches(pixel)) return;
        found = {std::min(found.left, x), std::min(found.top, y), std::max(found.right, x + 1),
                 std::max(found.bottom, y + 1)};
    });
    return found;
}

inline extent extent_of_colour(const diamond::plot::canvas& picture, diamond::plot::rgb colour) {
    return extent_of(picture, [&](auto pixel) { return pixel == colour; });
}

/// All that is not paper.
inline extent extent_of_ink(const diamond::plot::canvas& picture) {
    return extent_of(picture, [](auto pixel) { return pixel != diamond::plot::colours::white; });
}

/// Whether the outermost pixels are all paper: nothing is cut off.
inline bool has_margins(const diamond::plot::canvas& picture) {
    const auto ink = extent_of_ink(picture);
    return ink.left > 0 && ink.top > 0 && ink.right < picture.pixels_wide() &&
           ink.bottom < picture.pixels_high();
}

} // namespace diamond_test
