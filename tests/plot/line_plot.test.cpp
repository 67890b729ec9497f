#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/png.hpp>

#include "io/scratch.hpp"
#include "plot/decoded_png.hpp"
#include "plot/ink.hpp"

namespace plot_line_plot_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::count, diamond_test::extent_of_colour, diamond_test::has_margins, diamond_test::message;
using diamond_test::same_pixels, diamond_test::scratch;
using doctest::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

plot::line_plot plot_of(std::vector<double> x, std::vector<double> y,
                        plot::axis_scale y_scale = plot::axis_scale::linear) {
    return {.y = {.scale = y_scale}, .curves = {{.name = "curve", .x = std::move(x), .y = std::move(y)}}};
}

} // namespace

TEST_CASE("labels beside each other do not touch") {
    for (const auto scale : {plot::axis_scale::linear, plot::axis_scale::logarithmic})
        for (const auto& [from, to] :
             {std::pair{0.0001, 1.0}, {12345678, 12345684}, {0.9, 1.1}, {1e-12, 1e12}, {15, 600}})
            for (const double length : {100.0, 200.0, 480.0, 900.0}) {
                CAPTURE(from);
                CAPTURE(length);
                const auto ruler = plot::detail::ruler::lying({.scale = scale}, {from, to}, length);
                if (length > 300) CHECK(ruler.narrowest_step() * length > ruler.widest_mark());
                CHECK(ruler.marks.size() >= 2);
            }
}

TEST_CASE("a plot has its size, its curves in their colours, and nothing cut off") {
    const scratch folder;
    plot::line_plot plot{
        .title = "A title that is a good deal longer than the area below it is wide, and then some more",
        .x = {.label = "evaluations", .scale = plot::axis_scale::logarithmic},
        .y = {.label = "reward"},
        .references = {{.y = 0.5, .name = "exact"}},
        .width = 240,
        .height = 120};
    for (std::size_t k = 0; k < 9; ++k) // more than the palette, more than fit beside the area
        plot.curves.push_back({.name = "curve " + std::to_string(k),
                               .x = {10, 100, 12345},
                               .y = {0.1 * static_cast<double>(k), 0.3, 1},
                               .error = {0.1, not_a_number, 0.2},
                               .errors = k % 2 == 0 ? plot::error_style::bars : plot::error_style::band});
    const auto picture = plot::draw(plot);
    CHECK(picture.width() > plot.width);
    CHECK(picture.height() > plot.height);
    CHECK(has_margins(picture));
    for (const auto colour : colours::palette) CHECK(count(picture, colour) > 100);
    CHECK(count(picture, colours::faded) > 100);

    plot::write_png(folder / "plot.png", plot);
    const diamond_test::decoded_png png{folder / "plot.png"};
    CHECK(png.width == picture.pixels_wide());
    CHECK(png.height == picture.pixels_high());
}

TEST_CASE("points stand where the axes say") {
    plot::line_plot plot = plot_of({0.25}, {0.75});
    plot.x.range = plot.y.range = {0, 1};
    plot.curves[0].name = "";
    plot.width = plot.height = 100;
    const auto picture = plot::draw(plot);
    double x_sum = 0, y_sum = 0, n = 0;
    std::vector<int> ink_of_column(static_cast<std::size_t>(picture.pixels_wide())),
        ink_of_row(static_cast<std::size_t>(picture.pixels_high()));
    for (int y = 0; y < picture.pixels_high(); ++y)
        for (int x = 0; x < picture.pixels_wide(); ++x) {
            if (picture.pixel(x, y) == colours::palette[0]) x_sum += x + 0.5, y_sum += y + 0.5, ++n;
            const bool ink = picture.pixel(x, y) == colours::ink;
            ink_of_column[static_cast<std::size_t>(x)] += ink;
            ink_of_row[static_cast<std::size_t>(y)] += ink;
        }
    REQUIRE(n > 0);
    // The axes are one unit thick around the area's sides: their first pixel lies before the side, the second
    // after it.
    const auto side = [](const std::vector<int>& ink) {
        const auto first = std::ranges::find_if(ink, [](int count) { return count > 150; });
        return static_cast<double>(first - ink.begin()) + 1;
    };
    CHECK(x_sum / n - side(ink_of_column) == doctest::Approx(0.25 * 200).epsilon(0.005));
    CHECK(side(ink_of_row) - y_sum / n == doctest::Approx(0.75 * 200).epsilon(0.005));
}

TEST_CASE("a line runs where the axes say, as wide as it is asked to, without marks where none are wanted") {
    for (const double width : {1.0, 3.0, 8.0}) {
        CAPTURE(width);
        auto plot = plot_of({-1, 2}, {0.75, 0.75}); // beyond both ends of the axis
        plot.x.range = plot.y.range = {0, 1};
        plot.curves[0].name = "";
        plot.curves[0].marked = false;
        plot.curves[0].width = width;
        plot.width = plot.height = 100;
        const auto picture = plot::draw(plot);
        const auto line = extent_of_colour(picture, colours::palette[0]);
        CHECK(line.width() == 100 * plot::pixels_per_unit); // from axis to axis, and not beyond
        // An edge between two pixels leaves half a pixel of another shade at either side.
        CHECK(line.height() == doctest::Approx(width * plot::pixels_per_unit).epsilon(0.01).scale(100));
        const auto axis = extent_of_colour(picture, colours::ink);
        const double above_axis = axis.bottom - (line.top + line.bottom) / 2.0;
        CHECK(above_axis >= 0.75 * 100 * plot::pixels_per_unit);
        const std::size_t area = count(picture, colours::palette[0]);
        CHECK(area == static_cast<std::size_t>(line.width() * line.height())); // no mark stands out of it
        plot.curves[0].x = {0.2, 0.8};
        plot.curves[0].marked = true;
        CHECK(extent_of_colour(plot::draw(plot), colours::palette[0]).height() > 2 * plot::pixels_per_unit);
    }
}

TEST_CASE("marks stand on the axes at round numbers") {
    auto plot = plot_of({-1, 2}, {0.5, 0.5});
    plot.x.range = plot.y.range = {0, 1};
    plot.curves[0].name = "";
    plot.curves[0].marked = false;
    plot.width = plot.height = 100;
    const auto picture = plot::draw(plot);
    const auto line = extent_of_colour(picture, colours::palette[0]);
    const int side = 100 * plot::pixels_per_unit, bottom = (line.top + line.bottom) / 2 + side / 2;
    const int beyond = 2 * plot::pixels_per_unit; // from an axis into its marks, which are 4 units long
    std::vector<int> columns, rows;
    for (int x = line.left - beyond; x < picture.pixels_wide(); ++x) // not the labels of the y axis
        if (picture.pixel(x, bottom + beyond) == colours::ink) columns.push_back(x - line.left);
    for (int y = 0; y < picture.pixels_high(); ++y)
        if (picture.pixel(line.left - beyond, y) == colours::ink) rows.push_back(bottom - 1 - y);
    // Each mark is a unit, two pixels, thick around its place: 0, 0.5 and 1.
    CHECK(columns == std::vector{-1, 0, side / 2 - 1, side / 2, side - 1, side});
    CHECK(rows == std::vector{side, side - 1, side / 2, side / 2 - 1, 0, -1});
}

TEST_CASE("the legend shows lines as they are drawn") {
    const auto legend_height = [](double width) {
        auto plot = plot_of({0, 1}, {0, 1});
        plot.curves[0].colour = colours::palette[2];
        plot.curves[0].marked = false;
        plot.curves[0].width = width;
        const auto picture = plot::draw(plot);
        int high = 0; // the sample is the only such colour right of the area
        diamond_test::for_each_pixel(picture, [&](int x, int, auto pixel) {
            high += pixel == colours::palette[2] && x == picture.pixels_wide() - 160 ? 1 : 0;
        });
        return high;
    };
    CHECK(legend_height(6) == 6 * plot::pixels_per_unit);
    CHECK(legend_height(2) == 2 * plot::pixels_per_unit);
}

TEST_CASE("with equal aspect a circle is round, inside the area that is given") {
    plot::line_plot plot{.width = 400, .height = 150, .equal_aspect = true};
    plot.curves = {{.marked = false}};
    for (int i = 0; i <= 100; ++i) {
        plot.curves[0].x.push_back(3 * std::cos(i * std::acos(-1.0) / 50));
        plot.curves[0].y.push_back(3 * std::sin(i * std::acos(-1.0) / 50));
    }
    const auto circle = extent_of_colour(plot::draw(plot), colours::palette[0]);
    CHECK(std::abs(circle.width() - circle.height()) <= 2); // a pixel at either side
    CHECK(circle.height() > 250);
    plot.equal_aspect = false;
    const auto ellipse = extent_of_colour(plot::draw(plot), colours::palette[0]);
    CHECK(ellipse.width() == doctest::Approx(400.0 / 150 * ellipse.height()).epsilon(0.02));

    plot.equal_aspect = true;
    plot.x.range = {0, 1};
    plot.y.range = {0, 1};
    plot.curves[0] = {.x = {0, 1}, .y = {0, 1}, .marked = false};
    const auto high = plot::draw(plot);
    plot.y.range = {0, 0.25}; // now the width is what limits
    const auto wide = plot::draw(plot);
    CHECK(extent_of_colour(high, colours::palette[0]).height() == doctest::Approx(300).epsilon(0.02));
    CHECK(extent_of_colour(wide, colours::palette[0]).height() == doctest::Approx(200).epsilon(0.02));
    CHECK(wide.width() - high.width() == doctest::Approx(250).epsilon(0.05));
}

TEST_CASE("data with nothing between its ends is drawn") {
    for (const auto scale : {plot::axis_scale::linear, plot::axis_scale::logarithmic}) {
        CHECK(count(plot::draw(plot_of({1}, {2}, scale)), colours::palette[0]) > 20);
        CHECK(count(plot::draw(plot_of({1, 1, 1}, {2, 2, 2}, scale)), colours::palette[0]) > 20);
        CHECK(count(plot::draw(plot_of({1, 2}, {1e-300, 1e-300}, scale)), colours::palette[0]) > 20);
    }
    CHECK(count(plot::draw(plot_of({0, 0}, {0, 0})), colours::palette[0]) > 20);
    auto lone = plot_of({1}, {2});
    lone.curves[0].marked = false; // a line of one point is a dot
    CHECK(count(plot::draw(lone), colours::palette[0]) > 5);
}

TEST_CASE("points without a place break the line, and an empty curve stays in the legend") {
    const auto whole = plot::draw(plot_of({0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}));
    const auto broken = plot::draw(plot_of({0, 1, 2, 3, 4}, {0, 1, not_a_number, 3, 4}));
    CHECK(broken.pixels_wide() == whole.pixels_wide());
    CHECK(count(broken, colours::palette[0]) < count(whole, colours::palette[0]));

    const auto positive = plot::draw(plot_of({1, 2, 3}, {1, 10, 100}, plot::axis_scale::logarithmic));
    const auto mixed = plot::draw(
        plot_of({0, 1, 2, 3, 4}, {-1, 1, 10, 100, 0}, plot::axis_scale::logarithmic));
    CHECK(same_pixels(positive, mixed));

    auto with_empty = plot_of({0, 1}, {0, 1});
    with_empty.curves.push_back({.name = "nothing"});
    CHECK(count(plot::draw(with_empty), colours::palette[1]) > 20);
}

TEST_CASE("errors that reach below zero end at a logarithmic axis, and those outside a given range are cut") {
    auto plot = plot_of({1, 2}, {1, 10}, plot::axis_scale::logarithmic);
    plot.curves[0].error = {2, 1};
    CHECK_NOTHROW(plot::draw(plot));
    plot = plot_of({0, 1, 2}, {0, 1e300, 0});
    plot.y.range = {-1, 1};
    CHECK(has_margins(plot::draw(plot)));
}

TEST_CASE("what cannot be plotted is refused with the reason") {
    const auto refused = [](const plot::line_plot& plot) {
        return message<std::invalid_argument>([&] { plot::draw(plot); });
    };
    CHECK(refused({}) == Contains("no curve has a point with a place on the axes"));
    CHECK(refused(plot_of({}, {})) == Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {not_a_number, infinity})) == Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {0, -1}, plot::axis_scale::logarithmic)) ==
          Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {1})) == Contains("curve 'curve' has 2 x, 1 y and 0 errors"));

    auto plot = plot_of({1, 2}, {1, 2});
    plot.curves[0].error = {0.1};
    CHECK(refused(plot) == Contains("2 x, 2 y and 1 errors"));
    plot.curves[0].error = {0.1, -0.5};
    CHECK(refused(plot) == Contains("curve 'curve' has the error -0.5, where errors are at least 0"));
    plot.curves[0].error = {};
    plot.references = {{.y = not_a_number, .name = "exact"}};
    CHECK(refused(plot) == Contains("reference 'exact' at nan has no place"));
    plot.references = {};
    plot.y.range = {3, 1};
    CHECK(refused(plot) == Contains("no linear axis from 3"));
    plot.y.range = {};
    plot.width = 1e6;
    CHECK(refused(plot) == Contains("line_plot: an area of 1e+06 x 300"));
    plot = plot_of({1, 2}, {1, 2});
    for (const double width : {0.0, -1.0, 101.0, not_a_number}) {
        plot.curves[0].width = width;
        CHECK(refused(plot) == Contains("curve 'curve' has the width "));
    }
    plot = plot_of({1, 2}, {1, 2}, plot::axis_scale::logarithmic);
    plot.equal_aspect = true;
    CHECK(refused(plot) == Contains("make both axes linear"));
    plot = plot_of({0, 1e6}, {0, 1});
    plot.equal_aspect = true;
    CHECK(refused(plot) == Contains("line_plot with equal_aspect: an area of 480 x 0.00048"));
}

} // namespace plot_line_plot_test
