#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/panels.hpp>
#include <diamond/plot/png.hpp>

#include "io/scratch.hpp"
#include "plot/decoded_png.hpp"
#include "plot/ink.hpp"

namespace plot_panels_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::count, diamond_test::extent_of_colour, diamond_test::message;
using diamond_test::scratch;
using doctest::Contains;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

plot::panel_row row_of(std::vector<plot::panel> panels) {
    return {.x = {.range = plot::value_range{-2, 2}},
            .y = {.range = plot::value_range{-1, 1}},
            .panels = std::move(panels)};
}

} // namespace

TEST_CASE("a density's lower left cell is the panel's lower left corner, and colours run over its shades") {
    const scratch folder;
    auto row = row_of(
        {{.title = "density", .density = plot::heat_map{.columns = 2, .rows = 2, .values = {1, 0, 0.5, 0}}}});
    plot::write_png(folder / "a.png", row);
    const diamond_test::decoded_png png{folder / "a.png"};
    // These are the sides of the frame, the only ink with straight corners.
    int left = png.width, right = 0, top = png.height, bottom = 0;
    for (int y = 0; y < png.height; ++y)
        for (int x = 0; x < png.width; ++x)
            if (png.pixel(x, y) == colours::viridis.front()) {
                left = std::min(left, x), right = std::max(right, x);
                top = std::min(top, y), bottom = std::max(bottom, y);
            }
    const int width = static_cast<int>(row.width) * plot::pixels_per_unit;
    CHECK(bottom - top + 1 == doctest::Approx(width / 2).epsilon(0.02)); // x and y units are equally long
    CHECK(png.pixel(right - width + 8, bottom - 4) == colours::viridis.back());
    CHECK(png.pixel(right - width + 8, top + 4) == colours::viridis[4]);
    CHECK(png.pixel(right - 8, top + 4) == colours::viridis.front());
}

TEST_CASE("cells have their centres, and a histogram counts into the same cells") {
    const plot::value_range x{-2, 2}, y{0, 3};
    const auto centres = plot::cell_centres(x, y, 4, 3);
    REQUIRE(centres.size() == 24);
    CHECK(centres[0] == -1.5f);
    CHECK(centres[1] == 0.5f);
    CHECK(centres[2] == -0.5f);
    CHECK(centres[3] == 0.5f);
    CHECK(centres[22] == 1.5f);
    CHECK(centres[23] == 2.5f);
    const auto map = plot::histogram<float>(centres, x, y, 4, 3);
    CHECK(map.values == std::vector<double>(12, 1));
    const std::vector<double> odd{0.1, 0.1, 5, 0,  0, -1, std::numeric_limits<double>::quiet_NaN(),
                                  1,   2,   3, -2, 0};
    const auto counted = plot::histogram<double>(odd, x, y, 4, 3);
    CHECK(counted.values == std::vector<double>{1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a heat map is bilinear between centres and flat beyond the outermost") {
    const plot::heat_map map{.columns = 2, .rows = 2, .values = {0, 1, 2, 3}};
    const auto at = [&](double u, double v) { return plot::detail::value_at(map, u, v); };
    CHECK(at(0.25, 0.25) == 0);
    CHECK(at(0, 0) == 0);
    CHECK(at(1, 0) == 1);
    CHECK(at(0, 1) == 2);
    CHECK(at(0.5, 0.5) == 1.5);
    CHECK(at(0.5, 0.25) == 0.5);
    const plot::heat_map one{.columns = 1, .rows = 1, .values = {7}};
    CHECK(plot::detail::value_at(one, 0.9, 0.1) == 7);
}

TEST_CASE("clouds are drawn inside their panels, points that are not finite left out") {
    const auto blue = [](const plot::canvas& picture) { return count(picture, colours::palette[0]); };
    const auto cloud = [](std::vector<float> points) {
        return plot::point_cloud{.points = std::move(points), .radius = 4, .alpha = 1};
    };
    const auto one = blue(plot::draw(row_of({{.clouds = {cloud({0, 0})}}})));
    CHECK(one > 30);
    CHECK(blue(plot::draw(row_of(
              {{.clouds = {cloud({0, 0, not_a_number, 0, 0, not_a_number, 100, 0, 0, -1e30f})}}}))) == one);
    CHECK(blue(plot::draw(row_of({{.clouds = {cloud({0, 0})}}, {.clouds = {cloud({0, 0})}}}))) == 2 * one);

    plot::panel_row automatic{.panels = {{.clouds = {cloud({3, 4, 5, 6})}}}};
    CHECK(blue(plot::draw(automatic)) > 30);
    automatic.panels[0].clouds[0].points = {3, 4};
    CHECK(blue(plot::draw(automatic)) > 30);
}

TEST_CASE("panels have the colours of their densities, in rectangles that neither touch nor are cut off") {
    const std::vector<plot::rgb> fillings{
        {255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}, {0, 255, 255}};
    auto row = row_of({});
    for (const auto& colour : fillings)
        row.panels.push_back(
            {.title = "a title that is wider than the panel below it",
             .density = plot::heat_map{
                 .columns = 1, .rows = 1, .values = {1}, .colours = plot::colour_map{&colour, 1}}});
    row.columns = 2;
    row.width = 90;
    const auto picture = plot::draw(row);
    CHECK(diamond_test::has_margins(picture));
    std::vector<diamond_test::extent> areas;
    for (const auto& colour : fillings) {
        areas.push_back(extent_of_colour(picture, colour));
        REQUIRE_FALSE(areas.back().empty());
        CHECK(areas.back().width() >= 90 * plot::pixels_per_unit - 2);
        CHECK(std::abs(areas.back().width() - 2 * areas.back().height()) <= 4); // the frame takes a pixel a
                                                                                // side
    }
    const int gap = 2 * plot::pixels_per_unit;
    for (std::size_t i = 0; i < areas.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) {
            const auto &a = areas[i], &b = areas[k];
            CHECK((a.left >= b.right + gap || b.left >= a.right + gap || a.top >= b.bottom + gap ||
                   b.top >= a.bottom + gap));
        }
}

TEST_CASE("a cell that is not a number is shown as missing, and an infinite one as the end of the colours") {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const auto shown = [](std::vector<double> values) {
        auto row = row_of(
            {{.density = plot::heat_map{
                  .columns = 4, .rows = 2, .values = std::move(values), .shades = plot::value_range{0, 1}}}});
        return plot::draw(row);
    };
    const auto whole = shown({0, 0, 0, 0, 0, 0, 0, 0});
    CHECK(count(whole, colours::alarm) == 0);
    const auto area = extent_of_colour(whole, colours::viridis.front());
    // The upper right cell, and half of the way to the centres of its neighbours.
    const auto missing = extent_of_colour(shown({0, 0, 0, 0, 0, 0, 0, not_a_number}), colours::alarm);
    CHECK(missing.right == area.right);
    CHECK(missing.top == area.top);
    CHECK(missing.width() == doctest::Approx(1.5 / 4 * area.width()).epsilon(0.02));
    CHECK(missing.height() == doctest::Approx(1.5 / 4 * area.height() * 2).epsilon(0.02));
    const auto high = shown({infinity, infinity, infinity, infinity, 0, 0, 0, 0});
    CHECK(count(high, colours::alarm) == 0);
    CHECK(count(high, colours::viridis.back()) > 1000);
    CHECK(count(shown({0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}), colours::viridis[4]) > 1000);
}

TEST_CASE("curves are drawn over the points of a panel, in its units") {
    auto row = row_of(
        {{.clouds = {{.points = {0, 0}, .colour = colours::palette[1], .radius = 8, .alpha = 1}},
          .curves = {{.x = {-1, 1}, .y = {0, 0}, .marked = false, .width = 2}}}});
    const auto picture = plot::draw(row);
    const auto curve = extent_of_colour(picture, colours::palette[0]);
    CHECK(curve.width() == doctest::Approx(2.0 / 4 * row.width * plot::pixels_per_unit).epsilon(0.02));
    CHECK(curve.height() <= 2 * plot::pixels_per_unit);
    const auto disc = extent_of_colour(picture, colours::palette[1]);
    CHECK(std::abs((disc.left + disc.right) - (curve.left + curve.right)) <= 2);
    CHECK(std::abs((disc.top + disc.bottom) - (curve.top + curve.bottom)) <= 2);

    const plot::panel_row automatic{.panels = {{.curves = {{.x = {-3, 5}, .y = {2, 7}}}}}};
    CHECK(count(plot::draw(automatic), colours::palette[0]) > 100);
}

TEST_CASE("panels stand in lines of as many columns as wanted") {
    const auto size = [](std::size_t columns) {
        auto row = row_of(std::vector<plot::panel>(5, plot::panel{.title = "panel"}));
        row.columns = columns;
        const auto picture = plot::draw(row);
        return std::pair{picture.width(), picture.height()};
    };
    CHECK(size(0) == size(5));
    CHECK(size(9) == size(5));
    CHECK(size(2).first < size(3).first);
    CHECK(size(2).second > size(3).second);
}

TEST_CASE("what is no row of panels is refused with the reason") {
    const auto refused = [](const plot::panel_row& row) {
        return message<std::invalid_argument>([&] { plot::draw(row); });
    };
    const plot::heat_map map{.columns = 1, .rows = 1, .values = {1}};
    CHECK(refused({}) == Contains("no panels"));
    CHECK(refused({.panels = {{.title = "prior"}}}) == Contains("no finite point"));
    CHECK(refused({.panels = {{.title = "prior", .density = map}}}) ==
          Contains("panel 'prior' has a density"));
    CHECK(refused(row_of({{.title = "prior", .clouds = {{.points = {1, 2, 3}}}}})) ==
          Contains("3 coordinates, an odd number"));
    CHECK(refused(row_of({{.density = plot::heat_map{.columns = 2, .rows = 2, .values = {1}}}})) ==
          Contains("1 values and 9 colours for 2 x 2 cells"));
    CHECK(refused(row_of({{.density = plot::heat_map{}}})) == Contains("for 0 x 0 cells"));
    CHECK(refused(row_of({{.title = "prior", .curves = {{.x = {1, 2}, .y = {1}}}}})) ==
          Contains("panel_row: panel 'prior': curve '' has 2 x, 1 y"));
    auto shaded = map;
    shaded.shades = {1, 1};
    CHECK(refused(row_of({{.density = shaded}})) == Contains("shades from 1"));
    auto curved = row_of({{}});
    curved.x.scale = plot::axis_scale::logarithmic;
    CHECK(refused(curved) == Contains("logarithmic axis"));
}

} // namespace plot_panels_test
