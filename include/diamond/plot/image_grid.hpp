/// This header draws grids of images: one labelled row for each method, for instance, and one column for each
/// sample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/image_shape.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/canvas.hpp>
#include <diamond/plot/detail/frame.hpp>
#include <diamond/plot/text.hpp>

namespace diamond::plot {

/// A row of a grid holds images one after the other, each with channels x height x width values, a label to
/// their left and a note to their right.
struct image_row {
    std::string label = {};         ///< the text to the left of the images
    std::vector<float> pixels = {}; ///< the images one after the other, element (c, y, x) as in image_shape
    std::string note = {};          ///< the text to the right of the images
};

/// This grid shows grey images (one channel) or red, green and blue ones (three channels), enlarged `zoom`
/// times without smoothing. `shades` are the values drawn as black and as white, which all values beyond them
/// share; from > to gives dark ink on white paper. A value that is not finite is magenta. Headings stand
/// above the first columns.
struct image_grid {
    std::string title = {};                 ///< the text above the grid; empty: none
    image_shape shape = {};                 ///< channels, height and width of every image
    value_range shades = {-1, 1};           ///< the values drawn as black and as white
    int zoom = 5;                           ///< the side of an image's pixel in the picture, at least 1
    std::vector<std::string> headings = {}; ///< texts above the first columns, one a column
    std::vector<image_row> rows = {};       ///< the rows of images, from above
};

/// Returns the first `most` columns of a d x N batch in host memory, as image_row::pixels expects them.
template <class Batch>
std::vector<float> pixels_of(const Batch& batch, std::size_t most) {
    const auto columns = std::min(most, static_cast<std::size_t>(batch.columns()));
    const auto* first = batch.data();
    std::vector<float> pixels(static_cast<std::size_t>(batch.rows()) * columns);
    std::ranges::transform(first, first + pixels.size(), pixels.begin(),
                           [](auto v) { return static_cast<float>(v); });
    return pixels;
}

namespace detail {

inline constexpr double image_gap = 4;
inline constexpr double row_gap = 8;

/// Checks that a grid can be drawn.
/// @throws std::invalid_argument if it cannot; `draw` lists the reasons.
inline void check(const image_grid& grid) {
    constexpr std::size_t most = 8192; // the bound of a canvas; sizes then cannot overflow
    const auto size = grid.shape.size();
    if ((grid.shape.channels != 1 && grid.shape.channels != 3) || size == 0 || grid.shape.height > most ||
        grid.shape.width > most)
        throw std::invalid_argument{"image_grid: images of " + to_string(grid.shape) +
                                    ", where 1 or 3 channels and 1 to " + digits_of(most) +
                                    " pixels along each side are drawn"};
    if (grid.zoom < 1)
        throw std::invalid_argument{"image_grid: zoom " + digits_of(grid.zoom) + ", at least 1"};
    if (!std::isfinite(grid.shades.to - grid.shades.from) || grid.shades.from == grid.shades.to)
        throw std::invalid_argument{"image_grid: shades from " + digits_of(grid.shades.from) + " to " +
                                    digits_of(grid.shades.to)};
    if (grid.rows.empty()) throw std::invalid_argument{"image_grid: no rows"};
    for (const auto& row : grid.rows)
        if (row.pixels.size() % size != 0)
            throw std::invalid_argument{"image_grid: row '" + row.label + "' has " +
                                        digits_of(row.pixels.size()) + " values, no multiple of " +
                                        to_string(grid.shape)};
}

/// Returns the colour of pixel (y, x) of an image.
inline rgb pixel_colour(const image_grid& grid, const float* image, std::size_t y, std::size_t x) {
    const auto [channels, height, width] = grid.shape;
    const auto value = [&](std::size_t channel) {
        return static_cast<double>(image[(channel * height + y) * width + x]);
    };
    // The shades may be so close that the share of a value between them is infinite.
    const auto level = [&](double at) {
        const double share = (at - grid.shades.from) / (grid.shades.to - grid.shades.from);
        return static_cast<std::uint8_t>(std::lround(std::clamp(share, 0.0, 1.0) * 255));
    };
    const double red = value(0), green = value(channels == 3 ? 1 : 0), blue = value(channels == 3 ? 2 : 0);
    if (!std::isfinite(red) || !std::isfinite(green) || !std::isfinite(blue)) return colours::alarm;
    return {level(red), level(green), level(blue)};
}

/// Draws one image and its frame with its upper left corner at `at`.
inline void draw_image(canvas& picture, const image_grid& grid, const float* image, point at) {
    const auto [channels, height, width] = grid.shape;
    const box area{at.x, at.y, at.x + static_cast<double>(width) * grid.zoom,
                   at.y + static_cast<double>(height) * grid.zoom};
    picture.fill({area.left - 1, area.top - 1, area.right + 1, area.bottom + 1}, colours::hairline);
    picture.shade(area, [&](double u, double v) {
        return pixel_colour(grid, image, static_cast<std::size_t>(v * static_cast<double>(height)),
                            static_cast<std::size_t>(u * static_cast<double>(width)));
    });
}

} // namespace detail

/// Draws a grid. Rows may differ in length, and columns are as wide as images and headings need.
/// @throws std::invalid_argument if there are no rows, a row is not a whole number of images, images have
/// other than 1 or 3 channels or sides outside of [1, 8192], the zoom is below 1, or the shades are equal or
/// not finite.
inline canvas draw(const image_grid& grid) {
    using namespace detail;
    check(grid);
    const auto size = grid.shape.size();
    const double image_width = static_cast<double>(grid.shape.width) * grid.zoom;
    const double row_pitch = std::max(static_cast<double>(grid.shape.height) * grid.zoom, line_height) +
                             row_gap;

    double widest_label = 0, widest_note = 0, column_pitch = image_width + image_gap;
    std::size_t columns = grid.headings.size();
    for (const auto& row : grid.rows) {
        widest_label = std::max(widest_label, text_width(row.label, label_size));
        widest_note = std::max(widest_note, text_width(row.note, label_size));
        columns = std::max(columns, row.pixels.size() / size);
    }
    for (const auto& heading : grid.headings)
        column_pitch = std::max(column_pitch, text_width(heading, label_size) + spacing);
    column_pitch = std::ceil(column_pitch); // whole units make the pixels of all images alike

    const double left = std::ceil(margin + widest_label + (widest_label > 0 ? 1.5 * spacing : 0));
    const double headings = margin + room_above(grid.title);
    const double top = std::ceil(headings + (grid.headings.empty() ? 0 : line_height));
    const double right = left + static_cast<double>(columns) * column_pitch;
    canvas picture{std::max(right + (widest_note > 0 ? spacing + widest_note : 0),
                            margin + text_width(grid.title, title_size)) +
                       margin,
                   top + static_cast<double>(grid.rows.size()) * row_pitch - row_gap + margin};

    draw_text(picture, {margin, margin + title_size * 0.8}, grid.title, {.size = title_size});
    const auto column = [&](std::size_t index) { return left + static_cast<double>(index) * column_pitch; };
    for (std::size_t i = 0; i < grid.headings.size(); ++i)
        draw_text(picture, {column(i) + image_width / 2, headings + label_size}, grid.headings[i],
                  {.size = label_size, .align = anchor::middle});

    double y = top;
    for (const auto& row : grid.rows) {
        const double baseline = y + (row_pitch - row_gap) / 2 + capital_height(label_size) / 2;
        draw_text(picture, {left - 1.5 * spacing, baseline}, row.label,
                  {.size = label_size, .align = anchor::end});
        draw_text(picture, {right + spacing, baseline}, row.note,
                  {.size = label_size, .colour = colours::faded});
        for (std::size_t i = 0; i < row.pixels.size() / size; ++i)
            draw_image(picture, grid, row.pixels.data() + i * size, {column(i), y});
        y += row_pitch;
    }
    return picture;
}

} // namespace diamond::plot
