#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/canvas.hpp>
#include <diamond/plot/text.hpp>

#include "io/scratch.hpp"
#include "plot/ink.hpp"

namespace plot_canvas_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::black_area, diamond_test::extent_of_ink, diamond_test::message;
using doctest::Contains;

namespace {

bool is_blank(const plot::canvas& picture) { return black_area(picture) == 0; }

constexpr plot::stroke black_line(double width) { return {.colour = colours::black, .width = width}; }

} // namespace

TEST_CASE("a line covers the pixels between its edges and no others") {
    plot::canvas picture{40, 30};
    picture.line({{10, 5}, {10, 25}}, black_line(3)); // from 8.5 to 11.5, and round ends
    for (int x = 0; x < picture.pixels_wide(); ++x) {
        CAPTURE(x);
        CHECK(picture.pixel(x, 30) == (x >= 17 && x < 23 ? colours::black : colours::white));
    }
    const auto ink = extent_of_ink(picture);
    CHECK(ink.top == 7);
    CHECK(ink.bottom == 53);
}

TEST_CASE("a rectangle has sharp sides wherever they are") {
    plot::canvas picture{20, 20};
    picture.fill({3.3, 4.2, 7.9, 9.1}, colours::palette[0]);
    CHECK(diamond_test::count(picture, colours::palette[0]) + diamond_test::count(picture, colours::white) ==
          1600);
    const auto ink = extent_of_ink(picture);
    CHECK(ink.left == 7);
    CHECK(ink.top == 8);
    CHECK(ink.right == 16);
    CHECK(ink.bottom == 18);
    picture.fill({9, 9, 5, 5}, colours::black); // the wrong way round: nothing
    CHECK(diamond_test::count(picture, colours::black) == 0);
}

TEST_CASE("every pixel of a shaded rectangle has its colour") {
    plot::canvas picture{10, 10};
    picture.clip({0, 0, 4, 10});
    picture.shade({2, 2, 6, 4}, [](double u, double v) {
        return plot::rgb{static_cast<std::uint8_t>(u * 8), static_cast<std::uint8_t>(v * 4), 9};
    });
    for (int y = 4; y < 8; ++y)
        for (int x = 4; x < 12; ++x) {
            const plot::rgb expected{static_cast<std::uint8_t>(x - 4), static_cast<std::uint8_t>(y - 4), 9};
            CHECK(picture.pixel(x, y) == (x < 8 ? expected : colours::white));
        }
    CHECK(picture.pixel(3, 4) == colours::white);
    CHECK(picture.pixel(4, 8) == colours::white);
    picture.line({{2, 3}, {6, 3}}, black_line(1)); // cairo draws on top of what was shaded
    CHECK(picture.pixel(5, 5) == colours::black);
    CHECK(picture.pixel(5, 4) == plot::rgb{1, 0, 9});
}

TEST_CASE("shapes cover the area that geometry says") {
    const double tolerance = 0.02; // a smooth edge rounds each of its pixels to 1/255, mostly evenly
    const auto drawn = [](auto draw) {
        plot::canvas picture{60, 60};
        draw(picture);
        return black_area(picture);
    };
    CHECK(drawn([](auto& p) {
              p.disc({30.3, 29.8}, 20, colours::black);
          }) == doctest::Approx(std::numbers::pi * 400).epsilon(tolerance));
    CHECK(drawn([](auto& p) {
              p.line({{10, 10}, {40, 50}}, black_line(2));
          }) == doctest::Approx(50 * 2 + std::numbers::pi).epsilon(tolerance));
    CHECK(drawn([](auto& p) {
              p.polygon({{10, 10}, {50, 20}, {20, 50}}, colours::black);
          }) == doctest::Approx(0.5 * (40 * 40 - 10 * 10)).epsilon(tolerance));
    CHECK(drawn([](auto& p) { p.fill({10, 10, 20, 30}, colours::black); }) == doctest::Approx(200));
    CHECK(drawn([](auto& p) {
              p.disc({30, 30}, 20, colours::black, 0.5);
          }) == doctest::Approx(std::numbers::pi * 200).epsilon(tolerance));
}

TEST_CASE("a line crossing itself is no darker where it does") {
    plot::canvas picture{40, 40};
    picture.line({{5, 20}, {35, 20}, {20, 20}, {20, 5}, {20, 35}},
                 {.colour = colours::black, .width = 4, .alpha = 0.5});
    CHECK(picture.pixel(40, 40) == picture.pixel(20, 40));
    CHECK(picture.pixel(40, 40).red == doctest::Approx(127.5).epsilon(0.01));
}

TEST_CASE("dashes cover their share of a line, round corners too") {
    plot::canvas dashed{300, 40};
    dashed.line({{10, 20}, {150, 20}, {290, 20}},
                {.colour = colours::black, .width = 2, .dash = 8, .gap = 6});
    const double dashes = 20; // 280 units in periods of 14, each dash with two round ends
    CHECK(black_area(dashed) == doctest::Approx(dashes * (8 * 2 + std::numbers::pi)).epsilon(0.03));
}

TEST_CASE("nothing is drawn outside the clip or the picture") {
    plot::canvas picture{20, 20};
    picture.clip({5, 5, 15, 15});
    picture.fill({-100, -100, 100, 100}, colours::black);
    picture.disc({20, 20}, 8, colours::black);
    CHECK(black_area(picture) == 100);
    picture.unclip();
    picture.line({{-1e5, -3e4}, {-1e4, 1e5}}, black_line(3));
    picture.polygon({{100, 100}, {1e6, 100}, {100, 1e6}}, colours::black);
    CHECK(black_area(picture) == 100);
    picture.polygon({{-1e6, -1e6}, {1e6, -1e6}, {1e6, 1e6}, {-1e6, 1e6}}, colours::black);
    CHECK(black_area(picture) == 400);
}

TEST_CASE("sizes and coordinates that make no picture are refused") {
    constexpr double infinity = std::numeric_limits<double>::infinity(),
                     nan = std::numeric_limits<double>::quiet_NaN();
    for (const double side : {0.0, -1.0, 1e5, infinity, nan}) {
        CHECK_THROWS_AS((plot::canvas{side, 10}), std::invalid_argument);
        CHECK_THROWS_AS((plot::canvas{10, side}), std::invalid_argument);
    }
    plot::canvas picture{10, 10};
    for (const double bad : {nan, infinity, -infinity, 2e6}) {
        CHECK_THROWS_AS(picture.disc({bad, 0}, 1, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(picture.line({{0, 0}, {0, bad}}, {}), std::invalid_argument);
        CHECK_THROWS_AS(picture.polygon({{0, 0}, {0, bad}, {1, 1}}, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(picture.fill({0, 0, bad, 1}, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(plot::draw_text(picture, {bad, 1}, "text"), std::invalid_argument);
    }
    CHECK(is_blank(picture));
    picture.line(std::vector<plot::point>{}, {});
    picture.polygon(std::vector<plot::point>{}, colours::black);
    CHECK(is_blank(picture));
}

TEST_CASE("what cairo reports is thrown") {
    const auto thrown = [](cairo_status_t status) {
        return message<std::runtime_error>([&] { plot::detail::check(status, "a test runs"); });
    };
    CHECK(thrown(CAIRO_STATUS_SUCCESS) == "nothing thrown");
    CHECK(thrown(CAIRO_STATUS_INVALID_MATRIX) == Contains("cairo fails while a test runs: invalid matrix"));
    CHECK_THROWS_AS(plot::detail::check(CAIRO_STATUS_NO_MEMORY, "a test runs"), std::bad_alloc);

    plot::canvas picture{10, 10};
    cairo_show_text(picture.context(), "\xff");
    CHECK(message<std::runtime_error>([&] { picture.finish(); }) == Contains("while a shape is drawn"));
}

} // namespace plot_canvas_test
