#include <diamond/density/bits_per_dimension.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace density_bits_per_dimension_test {

using diamond::index_t;
using statistics::average, statistics::within;

namespace {
const auto stream = diamond::philox{3}.stream(diamond::purpose::data, 2);
}

TEST_CASE("uniform data have log2 L bits, and a level of chance q has -log2 q") {
    for (const index_t levels : {2, 17, 256})
        for (const index_t d : {1, 64}) {
            // The uniform density on [-1, 1]^d is 2^-d.
            const double uniform = -static_cast<double>(d) * std::log(2.0);
            CHECK(diamond::bits_per_dimension(uniform, d, levels) ==
                  doctest::Approx(std::log2(static_cast<double>(levels))).epsilon(1e-14));
            // A cell of width 2/L with the chance q in it has the density q L/2.
            const double q = 0.03,
                         cell = static_cast<double>(d) * std::log(q * static_cast<double>(levels) / 2.0);
            CHECK(diamond::bits_per_dimension(cell, d, levels) ==
                  doctest::Approx(-std::log2(q)).epsilon(1e-14));
        }
}

TEST_CASE_TEMPLATE(
    "dequantisation fills each level's cell evenly, and the mean of the bits is the levels' entropy",
    back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const index_t d = 3, n = 20000, count = 5;
    std::vector<double> levels;
    for (index_t k = 0; k < d * n; ++k)
        levels.push_back(static_cast<double>(k * k % 7 % count)); // no even spread
    const auto x = batches::make<batch>(context, d, n, levels);
    batch out(context, d, n);
    diamond::dequantise(x.read(), count, stream, out.mutable_view());
    const auto numbers = batches::host(out);
    std::vector<double> u;
    const double width = 2.0 / static_cast<double>(count), near = 4 * back_end::epsilon;
    bool inside = true;
    for (std::size_t k = 0; k < numbers.size(); ++k) {
        u.push_back((numbers[k] + 1.0) / width - levels[k]);
        inside = inside && u.back() > -near * static_cast<double>(count) &&
                 u.back() < 1.0 + near * static_cast<double>(count);
    }
    CHECK(inside);
    const auto moment = [&](auto f) {
        return average(static_cast<index_t>(u.size()),
                       [&](index_t k) { return f(u[static_cast<std::size_t>(k)]); });
    };
    CHECK(within(moment([](double v) { return v; }), 0.5));
    CHECK(within(moment([](double v) { return v * v; }), 1.0 / 3.0));
    // Neighbours, in a column and across columns, are independent.
    CHECK(within(average(n * d - 1,
                         [&](index_t k) {
                             return (u[static_cast<std::size_t>(k)] - 0.5) *
                                    (u[static_cast<std::size_t>(k + 1)] - 0.5);
                         }),
                 0.0));
    CHECK(within(average(n * d - d,
                         [&](index_t k) {
                             return (u[static_cast<std::size_t>(k)] - 0.5) *
                                    (u[static_cast<std::size_t>(k + d)] - 0.5);
                         }),
                 0.0));
    // In place, and again: the same numbers.
    auto same = batches::make<batch>(context, d, n, levels);
    diamond::dequantise(same.read(), count, stream, same.mutable_view());
    CHECK(batches::host(same) == numbers);

    // In the memory of the back end as on the host.
    auto densities = diamond::from_host<double>(context, 1, 3, std::vector<double>{-1.0, 4.0, 0.25});
    diamond::bits_per_dimension(row(densities), d, count);
    CHECK(diamond::to_host(densities)[1] ==
          doctest::Approx(diamond::bits_per_dimension(4.0, d, count)).epsilon(1e-14));
}

TEST_CASE("what is no level is refused with its place") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make();
    batch out(context, 2, 2);
    for (const double bad : {-1.0, 4.0, 0.5, diamond::not_a_number, diamond::infinity}) {
        const auto x = batches::make<batch>(context, 2, 2, {0.0, 3.0, bad, 1.0});
        CHECK_THROWS_WITH_AS(diamond::dequantise(x.read(), 4, stream, out.mutable_view()),
                             doctest::Contains("row 0 of column 1"), std::invalid_argument);
    }
    CHECK_THROWS_AS((void)diamond::bits_per_dimension(0.0, 2, 1), std::invalid_argument);
    for (const index_t d : {0, -2})
        CHECK_THROWS_WITH_AS((void)diamond::bits_per_dimension(-3.0, d, 256),
                             doctest::Contains((diamond::digits_of(d) + " dimensions").c_str()),
                             std::invalid_argument);
}

} // namespace density_bits_per_dimension_test
