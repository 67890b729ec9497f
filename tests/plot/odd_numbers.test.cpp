// Numbers that made pictures hang, take gigabytes or show nonsense are refused, with the number; whatever is
// accepted is drawn quickly.
#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/heat_map.hpp>
#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>

#include "io/scratch.hpp"
#include "plot/ink.hpp"

namespace plot_odd_numbers_test {

namespace plot = diamond::plot;
using doctest::Contains;

namespace {

constexpr double NaN = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();
constexpr double denormal = std::numeric_limits<double>::denorm_min();

template <class F>
doctest::String refused(F f) {
    return diamond_test::message<std::invalid_argument>(f);
}
doctest::String refused_stroke(const plot::stroke& style) {
    plot::canvas picture{100, 100};
    return refused([&] { picture.line({{0, 0}, {90, 90}}, style); });
}
plot::line_plot plot_of(std::vector<double> y) {
    std::vector<double> x;
    for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i) + 1);
    return {.curves = {{.x = x, .y = std::move(y)}}};
}

} // namespace

TEST_CASE("strokes that would not end, or are no strokes, are refused") {
    CHECK(refused_stroke({.width = 1, .dash = -10, .gap = 5}) ==
          "canvas: a stroke of dash -10, where it is from 0 to 8192"); // was endless
    CHECK(refused_stroke({.dash = 0, .gap = 1e-300}) ==
          "canvas: a stroke of dash 0 and gap 1e-300, where they are together at least 0.5");
    CHECK(refused_stroke({.dash = 1e-9, .gap = 1e-9}) == Contains("dash 1e-09 and gap 1e-09"));
    CHECK(refused_stroke({.dash = NaN, .gap = 1}) == Contains("dash nan"));
    CHECK(refused_stroke({.dash = 1, .gap = infinity}) == Contains("gap inf"));
    CHECK(refused_stroke({.dash = 1, .gap = -1}) == Contains("gap -1"));
    for (const double width : {NaN, infinity, -1.0, 1e300})
        CHECK(refused_stroke({.width = width}) == Contains("canvas: a stroke of width "));
    for (const double alpha : {NaN, infinity, -0.1, 1.1})
        CHECK(refused_stroke({.alpha = alpha}) == Contains("canvas: alpha "));
    CHECK(refused_stroke({.width = 0, .alpha = 0, .dash = 0.25, .gap = 0.25}) == "nothing thrown");
    plot::canvas picture{20, 20};
    CHECK(refused([&] {
              picture.disc({1, 1}, 1, plot::colours::ink, NaN);
          }) == "canvas: alpha nan, where it is from 0 to 1");
    CHECK(refused([&] { picture.disc({1, 1}, -1, plot::colours::ink); }) == Contains("a disc of radius -1"));
    CHECK(refused([&] { picture.disc({1, 1}, NaN, plot::colours::ink); }) == Contains("radius nan"));
    CHECK(refused([&] {
              picture.polygon({{0, 0}, {1, 0}, {1, 1}}, plot::colours::ink, 2);
          }) == Contains("alpha 2"));
    for (const double size : {NaN, infinity, 0.0, -3.0, 0.9, 513.0, 1e9})
        CHECK(refused([&] {
                  draw_text(picture, {1, 1}, "a", {.size = size});
              }) == Contains("draw_text: size "));
}

TEST_CASE("a picture of gigabytes is refused") {
    CHECK(refused([] {
              plot::canvas{8192, 8192};
          }) == "canvas: 8192 x 8192 is an area of 67108864, where at most 16777216 is drawn");
    CHECK(refused([] { plot::canvas{8192, 1}; }) == "nothing thrown");
}

TEST_CASE("long lines and large shapes take a time proportional to what is seen of them") {
    const auto before = std::chrono::steady_clock::now();
    plot::canvas picture{1000, 1000};
    std::vector<plot::point> zigzag;
    for (int i = 0; i < 2'000; ++i) zigzag.push_back({i % 2 ? 1e5 : -1e5, static_cast<double>(i % 1000)});
    picture.line(zigzag, {.width = 2});
    picture.line(zigzag, {.width = 2, .dash = 8, .gap = 4});
    zigzag.resize(200);
    for (auto& p : zigzag) p = {p.y, p.x};
    picture.polygon(zigzag, plot::colours::ink);
    // It takes two seconds; more with sanitizers, and when others compile.
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{60});
}

TEST_CASE("large shapes are whole") {
    plot::canvas picture{4000, 1200};
    picture.polygon({{100, 100}, {3900, 100}, {3900, 1100}, {100, 1100}}, plot::colours::black);
    CHECK(diamond_test::black_area(picture) == 3800.0 * 1000.0);
    plot::canvas disc{2400, 2400};
    disc.disc({1200, 1200}, 1000, plot::colours::black);
    CHECK(diamond_test::black_area(disc) == doctest::Approx(std::acos(-1.0) * 1e6).epsilon(1e-4));
}

TEST_CASE("plots of odd sizes, ranges and values") {
    for (const double side : {NaN, infinity, 0.0, -5.0, 1e9, denormal}) {
        auto plot = plot_of({1, 2});
        plot.width = side; // NaN and 1e9 laid out as many marks as there are ints
        CHECK(refused([&] { draw(plot); }) == Contains("line_plot: an area of "));
        plot = plot_of({1, 2});
        plot.height = side;
        CHECK(refused([&] { draw(plot); }) == Contains("line_plot: an area of 480 x "));
    }
    const auto drawn = [](const plot::line_plot& plot) { return refused([&] { draw(plot); }); };
    // one value, as far as a picture can tell; its marks were endless
    CHECK(drawn(plot_of({0, denormal})) == "nothing thrown");
    CHECK(drawn(plot_of({denormal, denormal})) == "nothing thrown");
    CHECK(drawn(plot_of({0, 1e-320})) == "nothing thrown");
    CHECK(drawn(plot_of({1e-300, 3e-300})) == "nothing thrown");
    CHECK(drawn(plot_of({1e-280, 3e-280})) == "nothing thrown");
    CHECK(drawn(plot_of({-1e308, 1e308})) ==
          "axis: values from -1e+308 to 1e+308 are too far apart for an axis");
    CHECK(drawn(plot_of({1e308, 1.1e308})) == "nothing thrown");
    CHECK(drawn(plot_of({1e15 + 1, 1e15 + 2})) == "nothing thrown");
    CHECK(drawn(plot_of({NaN, infinity})) == Contains("no curve has a point"));
    auto logarithmic = plot_of({denormal, 1e308});
    logarithmic.y.scale = plot::axis_scale::logarithmic;
    CHECK(drawn(logarithmic) == Contains("axis: values from 5e-324 to 1e+308 are too far apart"));
    logarithmic.curves[0].y = {denormal, 1e-310};
    CHECK(drawn(logarithmic) == Contains("axis: values from 5e-324 to 1e-310 are too far apart"));
    logarithmic.curves[0].y = {1e-309, 1e-309};
    CHECK(drawn(logarithmic) == Contains("no logarithmic axis from "));
    logarithmic.curves[0].y = {1e-250, 1e250};
    CHECK(drawn(logarithmic) == "nothing thrown");
    for (const plot::value_range range : {plot::value_range{NaN, 1},
                                          {0, NaN},
                                          {0, infinity},
                                          {-1e308, 1e308},
                                          {1, 1},
                                          {2, 1},
                                          {0, denormal},
                                          {1e15, 1e15 + 0.125}}) {
        auto plot = plot_of({1, 2});
        plot.y.range = range;
        CHECK(drawn(plot) == Contains("no linear axis from "));
    }
    auto reference = plot_of({1, 2});
    reference.references = {{.y = NaN, .name = "a"}};
    CHECK(drawn(reference) == Contains("reference 'a' at nan has no place"));
    const plot::axis_map map{plot::axis_scale::linear, {0, 1}};
    for (const int wanted : {0, -1, 1001, std::numeric_limits<int>::max()})
        CHECK(refused([&] { ticks(map, wanted); }) == Contains(" marks, where 1 to 1000"));
    CHECK(plot::ticks(plot::axis_map{plot::axis_scale::linear, {-0.9, 0.9}}, 2).size() >= 1);
}

TEST_CASE("grids of odd shapes, zooms and shades") {
    const auto drawn = [](plot::image_grid grid) {
        if (grid.rows.empty()) grid.rows = {{.pixels = std::vector<float>(4, 0.5f)}};
        return refused([&] { draw(grid); });
    };
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    CHECK(drawn({.shape = {1, 2, 2}}) == "nothing thrown");
    CHECK(drawn({.shape = {1, most / 2 + 1, 2}}) ==
          Contains("image_grid: images of 1 x 9223372036854775808 x 2")); // a product of 0
    CHECK(drawn({.shape = {3, most, most}}) == Contains("image_grid: images of 3 x "));
    CHECK(drawn({.shape = {1, 2, 2}, .zoom = 2'000'000'000}) == Contains("canvas: 4"));
    CHECK(drawn({.shape = {1, 2, 2}, .zoom = -1}) == Contains("zoom -1"));
    for (const plot::value_range shades : {plot::value_range{NaN, 1}, {0, infinity}, {1, 1}, {-1e308, 1e308}})
        CHECK(drawn({.shape = {1, 2, 2}, .shades = shades}) == Contains("image_grid: shades from "));
    // shades so near that a share between them overflows: black and white, not the colour of what is not
    // finite
    const plot::image_grid near{
        .shape = {1, 1, 2}, .shades = {0, denormal}, .zoom = 8, .rows = {{.pixels = {-1, 1}}}};
    CHECK(diamond_test::count(draw(near), plot::colours::alarm) == 0);
}

TEST_CASE("panels and heat maps of odd numbers") {
    const plot::panel_row good{.x = {.range = plot::value_range{0, 1}},
                               .y = {.range = plot::value_range{0, 1}},
                               .panels = {{.clouds = {{.points = {0.5f, 0.5f}}}}}};
    const auto drawn = [&](const auto& spoil) {
        auto row = good;
        spoil(row);
        return refused([&] { draw(row); });
    };
    CHECK(drawn([](auto&) {}) == "nothing thrown");
    for (const double width : {NaN, infinity, 0.0, -1.0, 1e12})
        CHECK(drawn([&](auto& row) { row.width = width; }) == Contains("panel_row: an area of "));
    CHECK(drawn([](auto& row) {
              row.y.range = plot::value_range{0, 1e300};
          }) == Contains("panel_row: an area of 200 x 2"));
    CHECK(drawn([](auto& row) {
              row.x.range = plot::value_range{0, 1e300};
          }) == Contains("panel_row: an area of 200 x 2e-298"));
    for (const double radius : {NaN, infinity, -1.0, 1e6})
        CHECK(drawn([&](auto& row) { row.panels[0].clouds[0].radius = radius; }) ==
              Contains("has points of radius "));
    for (const double alpha : {NaN, -1.0, 2.0})
        CHECK(drawn([&](auto& row) { row.panels[0].clouds[0].alpha = alpha; }) == Contains("and alpha "));
    constexpr std::size_t half = std::size_t{1} << 32;
    CHECK(drawn([](auto& row) { row.panels[0].density = plot::heat_map{.columns = half, .rows = half}; }) ==
          Contains("heat_map: 0 values")); // a product of 0
    CHECK(drawn([](auto& row) {
              row.panels[0].density = plot::heat_map{
                  .columns = 1, .rows = 1, .values = {1}, .shades = plot::value_range{-infinity, 1}};
          }) == Contains("heat_map: shades from -inf to 1"));
    CHECK(refused([] {
              plot::cell_centres({0, 1}, {0, 1}, half, half);
          }) == "cell_centres: 4294967296 x 4294967296 cells, where 1 to 67108864 are drawn");
    CHECK(refused([] {
              plot::histogram(std::span<const float>{}, {0, 1}, {0, 1}, 0, 3);
          }) == Contains("histogram: 0 x 3 cells"));
    CHECK(refused([] {
              plot::histogram(std::span<const float>{}, {0, 0}, {0, 1}, 3, 3);
          }) == "histogram: a range from 0 to 0");
    CHECK(refused([] {
              plot::cell_centres({NaN, 1}, {0, 1}, 3, 3);
          }) == "cell_centres: a range from nan to 1");
}

} // namespace plot_odd_numbers_test
