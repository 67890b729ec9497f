#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/panels.hpp>
#include <diamond/io/png.hpp>

#include "decoded_png.hpp"
#include "scratch.hpp"

namespace io = diamond::io;
namespace colours = diamond::io::colours;
using diamond_test::message;
using diamond_test::scratch;
using doctest::Contains;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

io::panel_row row_of(std::vector<io::panel> panels) {
    return {.x = {.range = io::value_range{-2, 2}},
            .y = {.range = io::value_range{-1, 1}},
            .panels = std::move(panels)};
}

} // namespace

TEST_CASE("a density's lower left cell is the panel's lower left corner, and colours run over its shades") {
    const scratch folder;
    auto row = row_of(
        {{.title = "density", .density = io::heat_map{.columns = 2, .rows = 2, .values = {1, 0, 0.5, 0}}}});
    io::write_png(folder / "a.png", row);
    const diamond_test::decoded_png png{folder / "a.png"};
    // These are the sides of the frame, the only ink with straight corners.
    int left = png.width, right = 0, top = png.height, bottom = 0;
    for (int y = 0; y < png.height; ++y)
        for (int x = 0; x < png.width; ++x)
            if (png.pixel(x, y) == colours::viridis.front()) {
                left = std::min(left, x), right = std::max(right, x);
                top = std::min(top, y), bottom = std::max(bottom, y);
            }
    const int width = static_cast<int>(row.width) * io::pixels_per_unit;
    CHECK(bottom - top + 1 == doctest::Approx(width / 2).epsilon(0.02)); // x and y units are equally long
    CHECK(png.pixel(right - width + 8, bottom - 4) == colours::viridis.back());
    CHECK(png.pixel(right - width + 8, top + 4) == colours::viridis[4]);
    CHECK(png.pixel(right - 8, top + 4) == colours::viridis.front());
}

TEST_CASE("cells have their centres, and a histogram counts into the same cells") {
    const io::value_range x{-2, 2}, y{0, 3};
    const auto centres = io::cell_centres(x, y, 4, 3);
    REQUIRE(centres.size() == 24);
    CHECK(centres[0] == -1.5f);
    CHECK(centres[1] == 0.5f);
    CHECK(centres[2] == -0.5f);
    CHECK(centres[3] == 0.5f);
    CHECK(centres[22] == 1.5f);
    CHECK(centres[23] == 2.5f);
    const auto map = io::histogram<float>(centres, x, y, 4, 3);
    CHECK(map.values == std::vector<double>(12, 1));
    const std::vector<double> odd{0.1, 0.1, 5, 0,  0, -1, std::numeric_limits<double>::quiet_NaN(),
                                  1,   2,   3, -2, 0};
    const auto counted = io::histogram<double>(odd, x, y, 4, 3);
    CHECK(counted.values == std::vector<double>{1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a heat map is bilinear between centres and flat beyond the outermost") {
    const io::heat_map map{.columns = 2, .rows = 2, .values = {0, 1, 2, 3}};
    const auto at = [&](double u, double v) { return io::detail::value_at(map, u, v); };
    CHECK(at(0.25, 0.25) == 0);
    CHECK(at(0, 0) == 0);
    CHECK(at(1, 0) == 1);
    CHECK(at(0, 1) == 2);
    CHECK(at(0.5, 0.5) == 1.5);
    CHECK(at(0.5, 0.25) == 0.5);
    const io::heat_map one{.columns = 1, .rows = 1, .values = {7}};
    CHECK(io::detail::value_at(one, 0.9, 0.1) == 7);
}

TEST_CASE("clouds are drawn inside their panels, points that are not finite left out") {
    const auto blue = [](const io::canvas& picture) {
        std::size_t found = 0;
        for (int y = 0; y < picture.pixels_high(); ++y)
            for (int x = 0; x < picture.pixels_wide(); ++x)
                found += picture.pixel(x, y) == colours::palette[0] ? 1 : 0;
        return found;
    };
    const auto cloud = [](std::vector<float> points) {
        return io::point_cloud{.points = std::move(points), .radius = 4, .alpha = 1};
    };
    const auto one = blue(io::draw(row_of({{.clouds = {cloud({0, 0})}}})));
    CHECK(one > 30);
    CHECK(blue(io::draw(row_of(
              {{.clouds = {cloud({0, 0, not_a_number, 0, 0, not_a_number, 100, 0, 0, -1e30f})}}}))) == one);
    CHECK(blue(io::draw(row_of({{.clouds = {cloud({0, 0})}}, {.clouds = {cloud({0, 0})}}}))) == 2 * one);

    io::panel_row automatic{.panels = {{.clouds = {cloud({3, 4, 5, 6})}}}};
    CHECK(blue(io::draw(automatic)) > 30);
    automatic.panels[0].clouds[0].points = {3, 4};
    CHECK(blue(io::draw(automatic)) > 30);
}

TEST_CASE("panels stand in lines of as many columns as wanted") {
    const auto size = [](std::size_t columns) {
        auto row = row_of(std::vector<io::panel>(5, io::panel{.title = "panel"}));
        row.columns = columns;
        const auto picture = io::draw(row);
        return std::pair{picture.width(), picture.height()};
    };
    CHECK(size(0) == size(5));
    CHECK(size(9) == size(5));
    CHECK(size(2).first < size(3).first);
    CHECK(size(2).second > size(3).second);
}

TEST_CASE("what is no row of panels is refused with the reason") {
    const auto refused = [](const io::panel_row& row) {
        return message<std::invalid_argument>([&] { io::draw(row); });
    };
    const io::heat_map map{.columns = 1, .rows = 1, .values = {1}};
    CHECK(refused({}) == Contains("no panels"));
    CHECK(refused({.panels = {{.title = "prior"}}}) == Contains("no finite point"));
    CHECK(refused({.panels = {{.title = "prior", .density = map}}}) ==
          Contains("panel 'prior' has a density"));
    CHECK(refused(row_of({{.title = "prior", .clouds = {{.points = {1, 2, 3}}}}})) ==
          Contains("3 coordinates, an odd number"));
    CHECK(refused(row_of({{.density = io::heat_map{.columns = 2, .rows = 2, .values = {1}}}})) ==
          Contains("1 values and 9 colours for 2 x 2 cells"));
    CHECK(refused(row_of({{.density = io::heat_map{}}})) == Contains("for 0 x 0 cells"));
    auto shaded = map;
    shaded.shades = {1, 1};
    CHECK(refused(row_of({{.density = shaded}})) == Contains("shades from 1"));
    auto curved = row_of({{}});
    curved.x.scale = io::axis_scale::logarithmic;
    CHECK(refused(curved) == Contains("logarithmic axis"));
}
