#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/canvas.hpp>
#include <diamond/io/png.hpp>
#include <diamond/io/text.hpp>

#include "decoded_png.hpp"
#include "scratch.hpp"

namespace io = diamond::io;
namespace colours = diamond::io::colours;
using diamond_test::reason;
using diamond_test::scratch;

namespace {

/// The area that is drawn black on white, in units; half-covered pixels count half.
double black_area(const io::canvas& picture) {
    double sum = 0;
    for (int y = 0; y < picture.pixels_high(); ++y)
        for (int x = 0; x < picture.pixels_wide(); ++x) sum += 1 - picture.pixel(x, y).red / 255.0;
    return sum / (io::pixels_per_unit * io::pixels_per_unit);
}

bool is_blank(const io::canvas& picture) { return black_area(picture) == 0; }

constexpr io::stroke black_line(double width) { return {.colour = colours::black, .width = width}; }

} // namespace

TEST_CASE("a picture has two pixels a unit, and its PNG has them all") {
    const scratch folder;
    io::canvas picture{30, 20, colours::palette[1]};
    picture.fill({10, 5, 12, 15}, colours::palette[0]);
    io::write_png(folder / "a.png", picture);

    const diamond_test::decoded_png png{folder / "a.png"};
    REQUIRE(png.width == 60);
    REQUIRE(png.height == 40);
    CHECK(png.channels == 3);
    CHECK(png.pixel(0, 0) == colours::palette[1]);
    CHECK(png.pixel(59, 39) == colours::palette[1]);
    CHECK(png.pixel(20, 10) == colours::palette[0]);
    CHECK(png.pixel(23, 29) == colours::palette[0]);
    CHECK(png.pixel(24, 29) == colours::palette[1]);
    CHECK(png.pixel(23, 30) == colours::palette[1]);
    CHECK(std::ranges::equal(png.bytes, picture.bytes()));
}

TEST_CASE("a PNG that cannot be written says why") {
    const scratch folder;
    const io::canvas picture{3, 2};
    CHECK(reason([&] { io::write_png(folder / "none/a.png", picture); }) ==
          doctest::Contains("cannot be written"));
    CHECK(reason([&] { io::write_png(folder.folder(), picture); }) ==
          doctest::Contains("not a regular file"));
}

TEST_CASE("shapes cover the area that geometry says") {
    const double tolerance = 0.02; // a smooth edge rounds each of its pixels to 1/255, mostly evenly
    const auto drawn = [](auto draw) {
        io::canvas picture{60, 60};
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
              p.fill({10, 10, 20, 30}, colours::black, 0.5);
          }) == doctest::Approx(100).epsilon(tolerance));

    const std::vector<io::point> square{{10, 10}, {50, 10}, {50, 50}, {10, 50}};
    const std::vector<io::point> hole{{20, 20}, {20, 40}, {40, 40}, {40, 20}}; // the other way round
    const std::vector<std::vector<io::point>> both{square, hole};
    CHECK(drawn([&](auto& p) { p.polygon(both, colours::black); }) ==
          doctest::Approx(1600 - 400).epsilon(tolerance));
}

TEST_CASE("a line crossing itself is no darker where it does") {
    io::canvas picture{40, 40};
    picture.line({{5, 20}, {35, 20}, {20, 20}, {20, 5}, {20, 35}},
                 {.colour = colours::black, .width = 4, .alpha = 0.5});
    CHECK(picture.pixel(40, 40) == picture.pixel(20, 40));
    CHECK(picture.pixel(40, 40).red == 128);
}

TEST_CASE("dashes cover their share of a line, round corners too") {
    io::canvas dashed{300, 40};
    dashed.line({{10, 20}, {150, 20}, {290, 20}},
                {.colour = colours::black, .width = 2, .dash = 8, .gap = 6});
    const double dashes = 20; // 280 units in periods of 14, each dash with two round ends
    CHECK(black_area(dashed) == doctest::Approx(dashes * (8 * 2 + std::numbers::pi)).epsilon(0.03));
}

TEST_CASE("nothing is drawn outside the clip or the picture") {
    io::canvas picture{20, 20};
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
        CHECK_THROWS_AS((io::canvas{side, 10}), std::invalid_argument);
        CHECK_THROWS_AS((io::canvas{10, side}), std::invalid_argument);
    }
    io::canvas picture{10, 10};
    for (const double bad : {nan, infinity, -infinity, 2e6}) {
        CHECK_THROWS_AS(picture.disc({bad, 0}, 1, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(picture.line({{0, 0}, {0, bad}}, {}), std::invalid_argument);
        CHECK_THROWS_AS(picture.polygon({{0, 0}, {0, bad}, {1, 1}}, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(picture.fill({0, 0, bad, 1}, colours::black), std::invalid_argument);
        CHECK_THROWS_AS(io::draw_text(picture, {bad, 1}, "text"), std::invalid_argument);
    }
    CHECK(is_blank(picture));
    picture.line(std::vector<io::point>{}, {});
    picture.polygon(std::vector<io::point>{}, colours::black);
    CHECK(is_blank(picture));
}

TEST_CASE("text is as wide as it is drawn, wherever it is anchored and whichever way it runs") {
    const std::string text = "HAVING Σ exp(−x²)H"; // H: stems at both ends
    const double size = 20, width = io::text_width(text, size);
    const auto columns_with_ink = [](const io::canvas& picture, bool along_y) {
        int first = std::numeric_limits<int>::max(), last = -1;
        for (int y = 0; y < picture.pixels_high(); ++y)
            for (int x = 0; x < picture.pixels_wide(); ++x)
                if (picture.pixel(x, y) != colours::white) {
                    first = std::min(first, along_y ? y : x);
                    last = std::max(last, along_y ? y : x);
                }
        return std::pair{first / 2.0, (last + 1) / 2.0};
    };
    const double bearing = 0.1 * size; // what an H leaves free at either side, and rounding
    for (const auto& [align, shift] :
         {std::pair{io::anchor::start, 0.0}, {io::anchor::middle, 0.5}, {io::anchor::end, 1.0}}) {
        io::canvas across{800, 60};
        io::draw_text(across, {400, 40}, text, {.size = size, .align = align});
        const auto [left, right] = columns_with_ink(across, false);
        CHECK(left ==
              doctest::Approx(400 - shift * width + bearing / 2).epsilon(0).scale(1).epsilon(bearing));
        CHECK(right ==
              doctest::Approx(400 + (1 - shift) * width - bearing / 2).epsilon(0).scale(1).epsilon(bearing));

        io::canvas up{60, 800};
        io::draw_text(up, {40, 400}, text, {.size = size, .align = align, .upward = true});
        const auto [top, bottom] = columns_with_ink(up, true);
        CHECK(bottom - top == doctest::Approx(right - left).epsilon(0.01));
        CHECK(800 - bottom == doctest::Approx(left).epsilon(0.01));
    }
}

TEST_CASE("every printable character has a shape of its own, and others a question mark") {
    const auto shape = [](const std::string& text) {
        io::canvas picture{40, 40};
        io::draw_text(picture, {5, 30}, text, {.size = 24});
        return std::vector<std::uint8_t>{picture.bytes().begin(), picture.bytes().end()};
    };
    const auto blank = shape(" ");
    std::vector<std::vector<std::uint8_t>> seen;
    for (char c = '!'; c <= '~'; ++c) {
        seen.push_back(shape(std::string{c}));
        CHECK(seen.back() != blank);
    }
    std::ranges::sort(seen);
    CHECK(std::ranges::adjacent_find(seen) == seen.end());
    CHECK(shape("α") != shape("a"));
    CHECK(shape("−") != shape("?"));
    CHECK(shape("漢") == shape("?"));
    for (const auto* spoilt : {"\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x92"})
        CHECK(shape(spoilt) == shape("?"));
}

TEST_CASE("colour maps run from their first colour to their last") {
    for (const io::colour_map map : {io::colour_map{colours::viridis}, io::colour_map{colours::blues}}) {
        CHECK(io::colour_at(map, 0) == map.front());
        CHECK(io::colour_at(map, 1) == map.back());
        CHECK(io::colour_at(map, -3) == map.front());
        CHECK(io::colour_at(map, std::numeric_limits<double>::infinity()) == map.back());
        CHECK(io::colour_at(map, std::numeric_limits<double>::quiet_NaN()) == colours::alarm);
    }
    CHECK(io::colour_at(colours::viridis, 0.5) == colours::viridis[4]);
    CHECK(io::mix({0, 100, 200}, {100, 0, 200}, 0.25) == io::rgb{25, 75, 200});
}
