/// This header holds values on a rectangle of cells, which heat maps are drawn from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/plot/axis.hpp>
#include <diamond/plot/colour.hpp>

namespace diamond::plot {

/// A heat map has values at the centres of columns x rows equal cells; values[j columns + i] belongs to cell
/// i from the left and j from below. Between the centres the map is bilinear. `shades` are the values of the
/// first and the last colour, by default 0 and the largest finite value. A cell that is not a number is
/// magenta.
struct heat_map {
    std::size_t columns = 0;         ///< the number of cells in a row
    std::size_t rows = 0;            ///< the number of rows of cells
    std::vector<double> values = {}; ///< columns x rows numbers, row by row from below
    /// The values of the first and the last colour; none: 0 and the largest.
    std::optional<value_range> shades = std::nullopt;
    /// The colours that values are drawn in, from least to largest.
    colour_map colours = colours::viridis;
};

namespace detail {

/// Checks the cells and the ranges of a map; `what` names the caller in errors.
/// @throws std::invalid_argument if there are no cells or more than 2^26, whose values alone would fill a
/// disk, or if a range does not rise.
inline void check_cells(const char* what, value_range x, value_range y, std::size_t columns,
                        std::size_t rows) {
    constexpr std::size_t most = std::size_t{1} << 26;
    if (columns == 0 || rows == 0 || columns > most / rows)
        throw std::invalid_argument{std::string{what} + ": " + digits_of(columns) + " x " + digits_of(rows) +
                                    " cells, where 1 to " + digits_of(most) + " are drawn"};
    for (const auto& range : {x, y})
        if (!(range.from < range.to) || !std::isfinite(range.to - range.from))
            throw std::invalid_argument{std::string{what} + ": a range from " + digits_of(range.from) +
                                        " to " + digits_of(range.to)};
}

} // namespace detail

/// Returns the centres of the cells in the order of a heat map, {x, y, x, y, ...}: a 2 x (columns rows) batch
/// on which a model can be evaluated.
/// @throws std::invalid_argument if a range does not rise or the number of cells is not in [1, 2^26].
template <class T = float>
std::vector<T> cell_centres(value_range x, value_range y, std::size_t columns, std::size_t rows) {
    detail::check_cells("cell_centres", x, y, columns, rows);
    std::vector<T> centres;
    centres.reserve(2 * columns * rows);
    const auto centre = [](value_range range, std::size_t i, std::size_t count) {
        return static_cast<T>(range.from + (range.to - range.from) * (static_cast<double>(i) + 0.5) /
                                               static_cast<double>(count));
    };
    for (std::size_t j = 0; j < rows; ++j)
        for (std::size_t i = 0; i < columns; ++i) {
            centres.push_back(centre(x, i, columns));
            centres.push_back(centre(y, j, rows));
        }
    return centres;
}

/// Counts how many of the points {x, y, x, y, ...} fall into each cell. Points outside of the ranges are not
/// counted.
/// @throws std::invalid_argument if a range does not rise or the number of cells is not in [1, 2^26].
template <class T>
heat_map histogram(std::span<const T> points, value_range x, value_range y, std::size_t columns,
                   std::size_t rows) {
    detail::check_cells("histogram", x, y, columns, rows);
    heat_map map{.columns = columns, .rows = rows, .values = std::vector<double>(columns * rows)};
    for (std::size_t k = 0; k + 1 < points.size(); k += 2) {
        const double u = (static_cast<double>(points[k]) - x.from) / (x.to - x.from);
        const double v = (static_cast<double>(points[k + 1]) - y.from) / (y.to - y.from);
        if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) continue;
        const auto i = static_cast<std::size_t>(u * static_cast<double>(columns));
        const auto j = static_cast<std::size_t>(v * static_cast<double>(rows));
        map.values[j * columns + i] += 1;
    }
    return map;
}

namespace detail {

/// Checks that a heat map can be drawn.
/// @throws std::invalid_argument if its sizes disagree, it has no colours, or its shades do not rise.
inline void check(const heat_map& map) {
    // The product of the extents is not formed, since it may overflow.
    const bool fits = map.columns != 0 && map.values.size() % map.columns == 0 &&
                      map.values.size() / map.columns == map.rows;
    if (!fits || map.rows == 0 || map.colours.empty())
        throw std::invalid_argument{"heat_map: " + digits_of(map.values.size()) + " values and " +
                                    digits_of(map.colours.size()) + " colours for " + digits_of(map.columns) +
                                    " x " + digits_of(map.rows) + " cells"};
    if (map.shades &&
        (!(map.shades->from < map.shades->to) || !std::isfinite(map.shades->to - map.shades->from)))
        throw std::invalid_argument{"heat_map: shades from " + digits_of(map.shades->from) + " to " +
                                    digits_of(map.shades->to)};
}

/// Returns the shades given, or 0 and the largest finite value.
inline value_range shades_of(const heat_map& map) {
    if (map.shades) return *map.shades;
    double largest = 0;
    for (const double value : map.values)
        if (std::isfinite(value)) largest = std::max(largest, value);
    return {0, largest > 0 ? largest : 1};
}

/// Returns the value a share of (u, v) of the way from the left and from below, bilinear between the four
/// nearest centres.
inline double value_at(const heat_map& map, double u, double v) {
    struct pair {
        std::size_t first, second;
        double share;
    };
    const auto neighbours = [](double at, std::size_t count) {
        const double place = std::clamp(at * static_cast<double>(count) - 0.5, 0.0,
                                        static_cast<double>(count - 1));
        const auto first = static_cast<std::size_t>(place);
        return pair{first, std::min(first + 1, count - 1), place - static_cast<double>(first)};
    };
    const auto [left, right, along] = neighbours(u, map.columns);
    const auto [low, high, up] = neighbours(v, map.rows);
    // An infinite value does not count where its share is zero.
    const auto mean = [](double a, double b, double share) {
        return share == 0 ? a : (1 - share) * a + share * b;
    };
    const auto value = [&](std::size_t i, std::size_t j) { return map.values[j * map.columns + i]; };
    return mean(mean(value(left, low), value(right, low), along),
                mean(value(left, high), value(right, high), along), up);
}

} // namespace detail
} // namespace diamond::plot
