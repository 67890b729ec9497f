#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/axis.hpp>

#include "io/scratch.hpp"

namespace plot_axis_test {

namespace plot = diamond::plot;
using diamond_test::message;
using doctest::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::string labels(plot::axis_scale scale, double from, double to, int wanted) {
    std::string text;
    for (const auto& tick : plot::ticks(plot::axis_map{scale, {from, to}}, wanted))
        if (!tick.label.empty()) text += (text.empty() ? "" : " ") + tick.label;
    return text;
}
std::string linear(double from, double to, int wanted = 5) {
    return labels(plot::axis_scale::linear, from, to, wanted);
}
std::string logarithmic(double from, double to, int wanted = 5) {
    return labels(plot::axis_scale::logarithmic, from, to, wanted);
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
                for (const auto scale : {plot::axis_scale::linear, plot::axis_scale::logarithmic}) {
                    const double from = factor * std::pow(10.0, exponent), to = from * (1 + width);
                    CAPTURE(from);
                    CAPTURE(to);
                    const plot::axis_map map{scale, {from, to}};
                    const auto marks = plot::ticks(map, 5);
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

TEST_CASE("an axis maps its ends to 0 and 1") {
    const plot::axis_map line{plot::axis_scale::linear, {-2, 6}};
    CHECK(line(-2) == 0);
    CHECK(line(6) == 1);
    CHECK(line(0) == 0.25);
    const plot::axis_map decades{plot::axis_scale::logarithmic, {0.01, 100}};
    CHECK(decades(1) == doctest::Approx(0.5));

    const auto refused = [](plot::axis_scale scale, double from, double to) {
        return message<std::invalid_argument>([&] { plot::axis_map{scale, {from, to}}; });
    };
    CHECK(refused(plot::axis_scale::linear, 1, 1) == Contains("no linear axis from 1 to 1"));
    CHECK(refused(plot::axis_scale::linear, 2, 1) == Contains("no linear axis"));
    CHECK(refused(plot::axis_scale::linear, 0, infinity) == Contains("no linear axis"));
    CHECK(refused(plot::axis_scale::linear, -1.7e308, 1.7e308) == Contains("no linear axis"));
    CHECK(refused(plot::axis_scale::linear, 1, 1 + 1e-15) == Contains("no linear axis"));
    CHECK(refused(plot::axis_scale::logarithmic, 0, 1) == Contains("no logarithmic axis"));
    CHECK(refused(plot::axis_scale::logarithmic, not_a_number, 1) == Contains("no logarithmic axis"));
}

TEST_CASE("the range of data leaves out what has no place, and is never empty") {
    const auto range = [](plot::axis_scale scale, std::vector<double> values) {
        return plot::range_of(scale, values, 0);
    };
    CHECK(range(plot::axis_scale::linear, {3, not_a_number, -1, infinity})->from == -1);
    CHECK(range(plot::axis_scale::linear, {3, not_a_number, -1, infinity})->to == 3);
    CHECK(range(plot::axis_scale::logarithmic, {3, 0, -1, 8})->from == doctest::Approx(3));
    CHECK_FALSE(range(plot::axis_scale::linear, {not_a_number, infinity}));
    CHECK_FALSE(range(plot::axis_scale::logarithmic, {0, -1}));
    for (const auto scale : {plot::axis_scale::linear, plot::axis_scale::logarithmic})
        for (const double value : {1.0, 1e-200, 1e200, 12345678.0}) {
            const auto around = range(scale, {value, value * (1 + 1e-15)});
            CHECK_NOTHROW(plot::axis_map{scale, *around});
        }
    CHECK_NOTHROW(plot::axis_map{plot::axis_scale::linear, *range(plot::axis_scale::linear, {0, 0})});
    CHECK_NOTHROW(plot::axis_map{plot::axis_scale::linear, *range(plot::axis_scale::linear, {-5})});
}

} // namespace plot_axis_test
