#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/axis.hpp>
#include <diamond/io/plot.hpp>
#include <diamond/io/png.hpp>

#include "decoded_png.hpp"
#include "scratch.hpp"

namespace io = diamond::io;
namespace colours = diamond::io::colours;
using diamond_test::message;
using diamond_test::scratch;
using doctest::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::string labels(io::axis_scale scale, double from, double to, int wanted) {
    std::string text;
    for (const auto& tick : io::ticks(io::axis_map{scale, {from, to}}, wanted))
        if (!tick.label.empty()) text += (text.empty() ? "" : " ") + tick.label;
    return text;
}
std::string linear(double from, double to, int wanted = 5) {
    return labels(io::axis_scale::linear, from, to, wanted);
}
std::string logarithmic(double from, double to, int wanted = 5) {
    return labels(io::axis_scale::logarithmic, from, to, wanted);
}

std::size_t count(const io::canvas& picture, io::rgb colour) {
    std::size_t found = 0;
    for (int y = 0; y < picture.pixels_high(); ++y)
        for (int x = 0; x < picture.pixels_wide(); ++x) found += picture.pixel(x, y) == colour ? 1 : 0;
    return found;
}

/// Whether the outermost pixels are all paper: nothing is cut off.
bool has_margins(const io::canvas& picture) {
    for (int x = 0; x < picture.pixels_wide(); ++x)
        if (picture.pixel(x, 0) != colours::white ||
            picture.pixel(x, picture.pixels_high() - 1) != colours::white)
            return false;
    for (int y = 0; y < picture.pixels_high(); ++y)
        if (picture.pixel(0, y) != colours::white ||
            picture.pixel(picture.pixels_wide() - 1, y) != colours::white)
            return false;
    return true;
}

io::line_plot plot_of(std::vector<double> x, std::vector<double> y,
                      io::axis_scale y_scale = io::axis_scale::linear) {
    return {.y = {.scale = y_scale}, .curves = {{.name = "curve", .x = std::move(x), .y = std::move(y)}}};
}

} // namespace

TEST_CASE("linear axes are marked at multiples of 1, 2, 5") {
    CHECK(linear(0, 1) == "0.0 0.2 0.4 0.6 0.8 1.0");
    CHECK(linear(-4, 4, 3) == "−4 −2 0 2 4");
    CHECK(linear(0.05, 0.31) == "0.05 0.10 0.15 0.20 0.25 0.30");
    CHECK(linear(-1234, 987) == "−1000 −500 0 500");
    CHECK(linear(-0.1, 0.1) == "−0.10 −0.05 0.00 0.05 0.10");
    CHECK(linear(0, 3e6, 3) == "0 1·10⁶ 2·10⁶ 3·10⁶");
    CHECK(linear(0, 3e-6, 3) == "0 1·10⁻⁶ 2·10⁻⁶ 3·10⁻⁶");
    CHECK(linear(100000, 100003, 3) == "100000 100001 100002 100003");
    CHECK(linear(12345678, 12345681, 3) == "1.2345678·10⁷ 1.2345679·10⁷ 1.2345680·10⁷ 1.2345681·10⁷");
}

TEST_CASE("logarithmic axes are marked at powers of ten, or 1, 2, 5 times them, or as linear ones where they "
          "are short") {
    CHECK(logarithmic(1, 1000) == "10⁰ 10¹ 10² 10³");
    CHECK(logarithmic(0.004, 20) == "10⁻² 10⁻¹ 10⁰ 10¹");
    CHECK(logarithmic(1e-12, 1, 4) == "10⁻¹² 10⁻⁸ 10⁻⁴ 10⁰");
    CHECK(logarithmic(15, 600) == "20 50 100 200 500");
    CHECK(logarithmic(0.15, 0.6) == "0.2 0.5");
    CHECK(logarithmic(2.2, 3.1) == "2.2 2.4 2.6 2.8 3.0");
}

TEST_CASE("marks lie on the axis, rise, and are about as many as wanted, whatever the range") {
    for (int exponent = -300; exponent <= 300; exponent += 7)
        for (const double factor : {1.0, 1.7, 2.3, 4.9, 9.99})
            for (const double width : {1e-9, 1e-3, 0.5, 3.0, 100.0, 1e6, 1e12})
                for (const auto scale : {io::axis_scale::linear, io::axis_scale::logarithmic}) {
                    const double from = factor * std::pow(10.0, exponent), to = from * (1 + width);
                    CAPTURE(from);
                    CAPTURE(to);
                    const io::axis_map map{scale, {from, to}};
                    const auto marks = io::ticks(map, 5);
                    std::size_t labelled = 0;
                    double before = -infinity;
                    for (const auto& mark : marks) {
                        CHECK_UNARY(map(mark.value) > -1e-6);
                        CHECK_UNARY(map(mark.value) < 1 + 1e-6);
                        CHECK_UNARY(mark.value > before);
                        before = mark.value;
                        labelled += mark.label.empty() ? 0 : 1;
                    }
                    CHECK_UNARY(labelled >= 2);
                    CHECK_UNARY(labelled <= 9);
                }
}

TEST_CASE("labels beside each other do not touch") {
    for (const auto scale : {io::axis_scale::linear, io::axis_scale::logarithmic})
        for (const auto& [from, to] :
             {std::pair{0.0001, 1.0}, {12345678, 12345684}, {0.9, 1.1}, {1e-12, 1e12}, {15, 600}})
            for (const double length : {100.0, 200.0, 480.0, 900.0}) {
                CAPTURE(from);
                CAPTURE(length);
                const auto ruler = io::detail::ruler::lying({.scale = scale}, {from, to}, length);
                if (length > 300) CHECK(ruler.narrowest_step() * length > ruler.widest_mark());
                CHECK(ruler.marks.size() >= 2);
            }
}

TEST_CASE("an axis maps its ends to 0 and 1") {
    const io::axis_map line{io::axis_scale::linear, {-2, 6}};
    CHECK(line(-2) == 0);
    CHECK(line(6) == 1);
    CHECK(line(0) == 0.25);
    const io::axis_map decades{io::axis_scale::logarithmic, {0.01, 100}};
    CHECK(decades(1) == doctest::Approx(0.5));

    const auto refused = [](io::axis_scale scale, double from, double to) {
        return message<std::invalid_argument>([&] { io::axis_map{scale, {from, to}}; });
    };
    CHECK(refused(io::axis_scale::linear, 1, 1) == Contains("no linear axis from 1 to 1"));
    CHECK(refused(io::axis_scale::linear, 2, 1) == Contains("no linear axis"));
    CHECK(refused(io::axis_scale::linear, 0, infinity) == Contains("no linear axis"));
    CHECK(refused(io::axis_scale::linear, -1.7e308, 1.7e308) == Contains("no linear axis"));
    CHECK(refused(io::axis_scale::linear, 1, 1 + 1e-15) == Contains("no linear axis"));
    CHECK(refused(io::axis_scale::logarithmic, 0, 1) == Contains("no logarithmic axis"));
    CHECK(refused(io::axis_scale::logarithmic, not_a_number, 1) == Contains("no logarithmic axis"));
}

TEST_CASE("the range of data leaves out what has no place, and is never empty") {
    const auto range = [](io::axis_scale scale, std::vector<double> values) {
        return io::range_of(scale, values, 0);
    };
    CHECK(range(io::axis_scale::linear, {3, not_a_number, -1, infinity})->from == -1);
    CHECK(range(io::axis_scale::linear, {3, not_a_number, -1, infinity})->to == 3);
    CHECK(range(io::axis_scale::logarithmic, {3, 0, -1, 8})->from == doctest::Approx(3));
    CHECK_FALSE(range(io::axis_scale::linear, {not_a_number, infinity}));
    CHECK_FALSE(range(io::axis_scale::logarithmic, {0, -1}));
    for (const auto scale : {io::axis_scale::linear, io::axis_scale::logarithmic})
        for (const double value : {1.0, 1e-200, 1e200, 12345678.0}) {
            const auto around = range(scale, {value, value * (1 + 1e-15)});
            CHECK_NOTHROW(io::axis_map{scale, *around});
        }
    CHECK_NOTHROW(io::axis_map{io::axis_scale::linear, *range(io::axis_scale::linear, {0, 0})});
    CHECK_NOTHROW(io::axis_map{io::axis_scale::linear, *range(io::axis_scale::linear, {-5})});
}

TEST_CASE("a plot has its size, its curves in their colours, and nothing cut off") {
    const scratch folder;
    io::line_plot plot{
        .title = "A title that is a good deal longer than the area below it is wide, and then some more",
        .x = {.label = "evaluations", .scale = io::axis_scale::logarithmic},
        .y = {.label = "reward"},
        .references = {{.y = 0.5, .name = "exact"}},
        .width = 240,
        .height = 120};
    for (std::size_t k = 0; k < 9; ++k) // more than the palette, more than fit beside the area
        plot.curves.push_back({.name = "curve " + std::to_string(k),
                               .x = {10, 100, 12345},
                               .y = {0.1 * static_cast<double>(k), 0.3, 1},
                               .error = {0.1, not_a_number, 0.2},
                               .errors = k % 2 == 0 ? io::error_style::bars : io::error_style::band});
    const auto picture = io::draw(plot);
    CHECK(picture.width() > plot.width);
    CHECK(picture.height() > plot.height);
    CHECK(has_margins(picture));
    for (const auto colour : colours::palette) CHECK(count(picture, colour) > 100);
    CHECK(count(picture, colours::faded) > 100);

    io::write_png(folder / "plot.png", plot);
    const diamond_test::decoded_png png{folder / "plot.png"};
    CHECK(png.width == picture.pixels_wide());
    CHECK(png.height == picture.pixels_high());
}

TEST_CASE("points stand where the axes say") {
    io::line_plot plot = plot_of({0.25}, {0.75});
    plot.x.range = plot.y.range = {0, 1};
    plot.curves[0].name = "";
    plot.width = plot.height = 100;
    const auto picture = io::draw(plot);
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

TEST_CASE("data with nothing between its ends is drawn") {
    for (const auto scale : {io::axis_scale::linear, io::axis_scale::logarithmic}) {
        CHECK(count(io::draw(plot_of({1}, {2}, scale)), colours::palette[0]) > 20);
        CHECK(count(io::draw(plot_of({1, 1, 1}, {2, 2, 2}, scale)), colours::palette[0]) > 20);
        CHECK(count(io::draw(plot_of({1, 2}, {1e-300, 1e-300}, scale)), colours::palette[0]) > 20);
    }
    CHECK(count(io::draw(plot_of({0, 0}, {0, 0})), colours::palette[0]) > 20);
    auto lone = plot_of({1}, {2});
    lone.curves[0].marked = false; // a line of one point is a dot
    CHECK(count(io::draw(lone), colours::palette[0]) > 5);
}

TEST_CASE("points without a place break the line, and an empty curve stays in the legend") {
    const auto whole = io::draw(plot_of({0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}));
    const auto broken = io::draw(plot_of({0, 1, 2, 3, 4}, {0, 1, not_a_number, 3, 4}));
    CHECK(broken.pixels_wide() == whole.pixels_wide());
    CHECK(count(broken, colours::palette[0]) < count(whole, colours::palette[0]));

    const auto positive = io::draw(plot_of({1, 2, 3}, {1, 10, 100}, io::axis_scale::logarithmic));
    const auto mixed = io::draw(plot_of({0, 1, 2, 3, 4}, {-1, 1, 10, 100, 0}, io::axis_scale::logarithmic));
    CHECK(std::ranges::equal(positive.bytes(), mixed.bytes()));

    auto with_empty = plot_of({0, 1}, {0, 1});
    with_empty.curves.push_back({.name = "nothing"});
    CHECK(count(io::draw(with_empty), colours::palette[1]) > 20);
}

TEST_CASE("errors that reach below zero end at a logarithmic axis, and those outside a given range are cut") {
    auto plot = plot_of({1, 2}, {1, 10}, io::axis_scale::logarithmic);
    plot.curves[0].error = {2, 1};
    CHECK_NOTHROW(io::draw(plot));
    plot = plot_of({0, 1, 2}, {0, 1e300, 0});
    plot.y.range = {-1, 1};
    CHECK(has_margins(io::draw(plot)));
}

TEST_CASE("what cannot be plotted is refused with the reason") {
    const auto refused = [](const io::line_plot& plot) {
        return message<std::invalid_argument>([&] { io::draw(plot); });
    };
    CHECK(refused({}) == Contains("no curve has a point with a place on the axes"));
    CHECK(refused(plot_of({}, {})) == Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {not_a_number, infinity})) == Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {0, -1}, io::axis_scale::logarithmic)) == Contains("no curve has a point"));
    CHECK(refused(plot_of({1, 2}, {1})) == Contains("curve 'curve' has 2 x, 1 y and 0 errors"));

    auto plot = plot_of({1, 2}, {1, 2});
    plot.curves[0].error = {0.1};
    CHECK(refused(plot) == Contains("2 x, 2 y and 1 errors"));
    plot.curves[0].error = {0.1, -0.5};
    CHECK(refused(plot) == Contains("has the error -0.5"));
    plot.curves[0].error = {};
    plot.references = {{.y = not_a_number, .name = "exact"}};
    CHECK(refused(plot) == Contains("reference 'exact' at nan has no place"));
    plot.references = {};
    plot.y.range = {3, 1};
    CHECK(refused(plot) == Contains("no linear axis from 3"));
    plot.y.range = {};
    plot.width = 1e6;
    CHECK(refused(plot) == Contains("line_plot: an area of 1e+06 x 300"));
}
