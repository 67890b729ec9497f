#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/xtensor.hpp>

#include "scratch.hpp"

namespace io_xtensor_test {

namespace io = diamond::io;
using diamond_test::message;
using doctest::Contains;

namespace {

/// A batch: column-major, contiguous.
template <class T>
struct batch {
    std::size_t row_count;
    std::size_t column_count;
    std::vector<T> values = std::vector<T>(row_count * column_count);

    T* data() { return values.data(); }
    const T* data() const { return values.data(); }
    std::size_t rows() const { return row_count; }
    std::size_t columns() const { return column_count; }
    T& operator()(std::size_t i, std::size_t j) { return values[j * row_count + i]; }
};

/// Numbers without a symmetry.
template <class T>
batch<T> some_images(std::size_t rows, std::size_t columns) {
    batch<T> z{rows, columns};
    for (std::size_t k = 0; k < z.values.size(); ++k)
        z.values[k] = static_cast<T>(std::sin(1.3 * static_cast<double>(k * k + 1)));
    return z;
}

} // namespace

TEST_CASE("images are the batch's own memory, as (N, C, H, W)") {
    const diamond::image_shape shape{.channels = 3, .height = 2, .width = 4};
    auto z = some_images<float>(24, 5);
    auto view = io::images(z, shape);
    CHECK(view.data() == z.data());
    REQUIRE(view.dimension() == 4);
    CHECK(view.shape(0) == 5);
    CHECK(view.shape(1) == 3);
    CHECK(view.shape(2) == 2);
    CHECK(view.shape(3) == 4);
    for (std::size_t n = 0; n < 5; ++n)
        for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t y = 0; y < 2; ++y)
                for (std::size_t x = 0; x < 4; ++x)
                    CHECK_UNARY(&view(n, c, y, x) == &z((c * 2 + y) * 4 + x, n));
    view(4, 2, 1, 3) = 42;
    CHECK(z(23, 4) == 42);

    const auto& fixed = z;
    auto constant = io::images(fixed, shape);
    CHECK(constant.data() == z.data());
    static_assert(std::is_const_v<std::remove_reference_t<decltype(constant(0, 0, 0, 0))>>);
    static_assert(!std::is_const_v<std::remove_reference_t<decltype(view(0, 0, 0, 0))>>);
}

TEST_CASE("a shape that is not the batch's is refused with the numbers") {
    auto z = some_images<float>(24, 5);
    CHECK(message<std::invalid_argument>([&] {
              io::images(z, {1, 5, 5});
          }) == "images: shape 1 x 5 x 5 takes 25 rows, the batch has 24");
    const io::mirror_symmetry_reward reward{{1, 5, 5}};
    std::vector<double> values(5);
    CHECK_THROWS_AS(reward(z, values.data()), std::invalid_argument);
    CHECK_THROWS_AS((io::mirror_symmetry_reward{{1, 0, 5}}), std::invalid_argument);
    CHECK_THROWS_AS((io::mirror_symmetry_reward{{1, 5, 5}, std::nan("")}), std::invalid_argument);
    auto few = some_images<float>(24, 4);
    CHECK(message<std::invalid_argument>([&] {
              io::mirror_symmetry_reward{{1, 4, 6}}.gradient(z, few);
          }) == Contains("gradients of 5 columns into 4"));
}

TEST_CASE_TEMPLATE("the mirror reward is 0 for symmetric images and its formula for others", T, float,
                   double) {
    const io::mirror_symmetry_reward reward{{.channels = 2, .height = 3, .width = 5}, 1.7};
    auto z = some_images<T>(30, 4);
    for (std::size_t c = 0; c < 6; ++c)
        for (std::size_t x = 0; x < 5; ++x) z(c * 5 + x, 1) = z(c * 5 + 4 - x, 1);
    std::vector<double> values(4);
    reward(z, values.data());
    CHECK(values[1] == 0);
    for (const std::size_t j : {0u, 2u, 3u}) {
        double sum = 0;
        for (std::size_t row = 0; row < 6; ++row)
            for (std::size_t x = 0; x < 5; ++x)
                sum += std::pow(static_cast<double>(z(row * 5 + x, j)) - z(row * 5 + 4 - x, j), 2);
        // differences and squares are T's, sums double's
        CHECK(values[j] == doctest::Approx(-1.7 * sum / 30).epsilon(1e-6));
    }
}

TEST_CASE("the mirror reward's gradient is that of its finite differences") {
    const io::mirror_symmetry_reward reward{{.channels = 2, .height = 3, .width = 5}, 1.7};
    auto z = some_images<double>(30, 3);
    batch<double> gradient{30, 3};
    reward.gradient(z, gradient);
    const double h = 1e-3; // the reward is quadratic: central differences are exact but for rounding
    for (std::size_t j = 0; j < 3; ++j)
        for (std::size_t i = 0; i < 30; ++i) {
            std::vector<double> above(3), below(3);
            const double middle = z(i, j);
            z(i, j) = middle + h;
            reward(z, above.data());
            z(i, j) = middle - h;
            reward(z, below.data());
            z(i, j) = middle;
            CHECK(gradient(i, j) == doctest::Approx((above[j] - below[j]) / (2 * h)).epsilon(1e-10));
        }
}

TEST_CASE("a batch of no columns has no images and no rewards") {
    const io::mirror_symmetry_reward reward{{1, 2, 2}};
    batch<float> z{4, 0}, gradient{4, 0};
    CHECK(io::images(z, {1, 2, 2}).shape(0) == 0);
    std::vector<double> values;
    reward(z, values.data());
    reward.gradient(z, gradient);
    CHECK(values.empty());
}

} // namespace io_xtensor_test
