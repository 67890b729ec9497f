#include <limits>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/png.hpp>

#include "io/scratch.hpp"
#include "plot/decoded_png.hpp"

namespace plot_image_grid_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::message;
using diamond_test::scratch;
using doctest::Contains;

namespace {

/// Where a colour first stands, row by row from the top; (-1, -1) where it does not.
std::pair<int, int> find(const diamond_test::decoded_png& png, plot::rgb colour) {
    for (int y = 0; y < png.height; ++y)
        for (int x = 0; x < png.width; ++x)
            if (png.pixel(x, y) == colour) return {x, y};
    return {-1, -1};
}

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

} // namespace

TEST_CASE("the pixels of a picture are those of the image, enlarged") {
    const scratch folder;
    const plot::rgb red{255, 0, 0}, green{0, 255, 0}, blue{0, 0, 255}, grey{128, 128, 128};
    // Channels first: the reds of the 2 x 2 image, then its greens, then its blues.
    const std::vector<float> pixels{1, -1, -1, 0, -1, 1, -1, 0, -1, -1, 1, 0};
    plot::write_png(folder / "a.png",
                    plot::image_grid{.shape = {3, 2, 2}, .zoom = 7, .rows = {{.pixels = pixels}}});

    const diamond_test::decoded_png png{folder / "a.png"};
    const int side = 7 * plot::pixels_per_unit;
    const auto [left, top] = find(png, red);
    REQUIRE(left >= 0);
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
            CHECK_UNARY(png.pixel(left + x, top + y) == red);
            CHECK_UNARY(png.pixel(left + side + x, top + y) == green);
            CHECK_UNARY(png.pixel(left + x, top + side + y) == blue);
            CHECK_UNARY(png.pixel(left + side + x, top + side + y) == grey);
        }
    CHECK(png.pixel(left - 1, top) == colours::hairline);
    CHECK(png.pixel(left + 2 * side, top) == colours::hairline);
}

TEST_CASE("shades are cut at black and white, may be reversed, and what is not finite is magenta") {
    const scratch folder;
    const auto draw = [&](plot::value_range shades) {
        plot::write_png(folder / "a.png",
                        plot::image_grid{.shape = {1, 1, 4},
                                         .shades = shades,
                                         .rows = {{.pixels = {-9, 0.5f, 9, not_a_number}}}});
        const diamond_test::decoded_png png{folder / "a.png"};
        const auto [right, top] = find(png, colours::alarm);
        REQUIRE(right >= 0);
        const int side = 5 * plot::pixels_per_unit;
        return std::vector{png.pixel(right - 3 * side, top), png.pixel(right - 2 * side, top),
                           png.pixel(right - side, top)};
    };
    CHECK(draw({0, 1}) == std::vector<plot::rgb>{colours::black, {128, 128, 128}, colours::white});
    CHECK(draw({1, 0}) == std::vector<plot::rgb>{colours::white, {128, 128, 128}, colours::black});
}

TEST_CASE("labels, notes, headings and rows of different length make room for themselves") {
    const auto width = [](const plot::image_grid& grid) { return plot::draw(grid).width(); };
    const auto height = [](const plot::image_grid& grid) { return plot::draw(grid).height(); };
    const plot::image_grid plain{.shape = {1, 8, 8}, .rows = {{.pixels = std::vector<float>(64)}}};
    auto more = plain;
    more.rows[0].label = "weighted Diamond";
    CHECK(width(more) > width(plain) + 90);
    more = plain;
    more.rows[0].note = "reward −0.5";
    CHECK(width(more) > width(plain) + 50);
    more = plain;
    more.headings = {"a heading wider than the image"};
    CHECK(width(more) > width(plain) + 100);
    CHECK(height(more) > height(plain));
    more = plain;
    more.rows.push_back({.pixels = std::vector<float>(3 * 64)});
    CHECK(width(more) > width(plain) + 80);
    CHECK(height(more) > height(plain) + 40);
    more.rows.push_back({.label = "an empty row"});
    CHECK_NOTHROW(plot::draw(more));
}

TEST_CASE("the first columns of a batch become pixels") {
    struct batch {
        std::vector<double> values = {0, 1, 2, 3, 4, 5};
        const double* data() const { return values.data(); }
        std::size_t rows() const { return 2; }
        std::size_t columns() const { return 3; }
    };
    CHECK(plot::pixels_of(batch{}, 2) == std::vector<float>{0, 1, 2, 3});
    CHECK(plot::pixels_of(batch{}, 9) == std::vector<float>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("what is no grid is refused with the reason") {
    const auto refused = [](const plot::image_grid& grid) {
        return message<std::invalid_argument>([&] { plot::draw(grid); });
    };
    CHECK(refused({.shape = {1, 8, 8}}) == Contains("no rows"));
    CHECK(refused({.shape = {1, 8, 8}, .rows = {{.label = "prior", .pixels = std::vector<float>(100)}}}) ==
          Contains("row 'prior' has 100 values, no multiple of 1 x 8 x 8"));
    CHECK(refused({.shape = {2, 8, 8}, .rows = {{}}}) == Contains("images of 2 x 8 x 8"));
    CHECK(refused({.shape = {1, 0, 8}, .rows = {{}}}) == Contains("images of 1 x 0 x 8"));
    CHECK(refused({.shape = {1, 8, 8}, .zoom = 0, .rows = {{}}}) == Contains("zoom 0"));
    CHECK(refused({.shape = {1, 8, 8}, .shades = {1, 1}, .rows = {{}}}) == Contains("shades from 1 to 1"));
    CHECK(refused({.shape = {1, 8, 8}, .shades = {0, not_a_number}, .rows = {{}}}) ==
          Contains("shades from 0 to nan"));
}

} // namespace plot_image_grid_test
