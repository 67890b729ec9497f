/// The law of the normals: moments, distribution, independence. Seeds are fixed; a bound of 4.5 standard
/// errors would refuse 7 in a million.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include <support/draws.hpp>

namespace random_law_test {

using diamond::index_t, diamond::noise_stream, diamond::philox, diamond::purpose;

namespace {
constexpr double standard_errors = 4.5;

/// Products of two sequences of independent normals: x y has mean 0 and variance 1, (x^2 - 1)(y^2 - 1) mean 0
/// and variance 4.
template <class Real, class First, class Second>
void check_independent(index_t count, const First& first, const Second& second) {
    double products = 0.0, squares = 0.0;
    for (index_t k = 0; k < count; ++k) {
        const auto x = static_cast<double>(first(k)), y = static_cast<double>(second(k));
        products += x * y;
        squares += (x * x - 1.0) * (y * y - 1.0);
    }
    const double root = std::sqrt(static_cast<double>(count));
    CHECK(std::abs(products) < standard_errors * root);
    CHECK(std::abs(squares) < standard_errors * 2.0 * root);
}
template <class Real>
void check_independent(const std::vector<Real>& x, const std::vector<Real>& y) {
    check_independent<Real>(
        static_cast<index_t>(x.size()), [&](index_t k) { return x[static_cast<std::size_t>(k)]; },
        [&](index_t k) { return y[static_cast<std::size_t>(k)]; });
}
} // namespace

TEST_CASE_TEMPLATE("moments", real, float, double) {
    const auto x = draws::normals<real>(philox{1}.stream(purpose::user), 64, 1 << 16);
    const double n = static_cast<double>(x.size());
    double sum[5] = {};
    for (const real value : x) {
        const auto v = static_cast<double>(value);
        sum[1] += v;
        sum[2] += v * v;
        sum[3] += v * v * v;
        sum[4] += v * v * v * v;
    }
    // Variances of x, x^2, x^3, x^4: 1, 2, 15, 96.
    CHECK(std::abs(sum[1] / n - 0.0) < standard_errors * std::sqrt(1.0 / n));
    CHECK(std::abs(sum[2] / n - 1.0) < standard_errors * std::sqrt(2.0 / n));
    CHECK(std::abs(sum[3] / n - 0.0) < standard_errors * std::sqrt(15.0 / n));
    CHECK(std::abs(sum[4] / n - 3.0) < standard_errors * std::sqrt(96.0 / n));
}

TEST_CASE_TEMPLATE("Kolmogorov and Smirnov", real, float, double) {
    for (const index_t coordinate : {0, 1, 2, 3}) {
        const auto all = draws::normals<real>(philox{2}.stream(purpose::initial), 4, 250'000);
        std::vector<double> x;
        for (std::size_t k = static_cast<std::size_t>(coordinate); k < all.size(); k += 4)
            x.push_back(static_cast<double>(all[k]));
        std::sort(x.begin(), x.end());
        const double n = static_cast<double>(x.size());
        double distance = 0.0;
        for (std::size_t k = 0; k < x.size(); ++k) {
            const double below = 0.5 * std::erfc(-x[k] / std::sqrt(2.0));
            distance = std::max(
                {distance, below - static_cast<double>(k) / n, static_cast<double>(k + 1) / n - below});
        }
        CHECK(distance * std::sqrt(n) < 2.6); // P = 2 exp(-2 2.6^2) = 3e-6
    }
}

TEST_CASE_TEMPLATE("coordinates are independent, the two of a pair among them", real, float, double) {
    constexpr index_t rows = 9, columns = 200'000;
    const auto x = draws::normals<real>(philox{3}.stream(purpose::user), rows, columns);
    for (index_t a = 0; a < rows; ++a)
        for (index_t b = 0; b < a; ++b)
            check_independent<real>(
                columns, [&](index_t k) { return x[static_cast<std::size_t>(a + rows * k)]; },
                [&](index_t k) { return x[static_cast<std::size_t>(b + rows * k)]; });
}

TEST_CASE_TEMPLATE("slots and value samples are independent", real, float, double) {
    constexpr index_t rows = 4, columns = 250'000, samples = 8;
    const auto x = draws::normals<real>(philox{4}.stream(purpose::value, 3, samples), rows, columns);
    for (const index_t apart : {index_t{1}, index_t{2}, samples, 2 * samples, samples + 1})
        check_independent<real>(
            rows * (columns - apart), [&](index_t k) { return x[static_cast<std::size_t>(k)]; },
            [&](index_t k) { return x[static_cast<std::size_t>(k + rows * apart)]; });
}

TEST_CASE_TEMPLATE("steps, purposes, seeds and splits are independent", real, float, double) {
    constexpr index_t rows = 4, columns = 250'000;
    const auto draw = [&](const noise_stream& stream) { return draws::normals<real>(stream, rows, columns); };
    const philox rng{5};
    const auto x = draw(rng.stream(purpose::transition, 1));
    for (const index_t step : {0, 2, 3, 1 << 20})
        check_independent(x, draw(rng.stream(purpose::transition, step)));
    for (const auto other :
         {purpose::initial, purpose::transition_end, purpose::value, purpose::resampling, purpose::user})
        check_independent(x, draw(rng.stream(other, 1)));
    for (const std::uint64_t seed :
         {std::uint64_t{4}, std::uint64_t{6}, std::uint64_t{5} << 32, ~std::uint64_t{5}})
        check_independent(x, draw(philox{seed}.stream(purpose::transition, 1)));
    for (const std::uint64_t k : {0u, 1u, 2u}) {
        check_independent(x, draw(rng.split(k).stream(purpose::transition, 1)));
        check_independent(draw(rng.split(k).stream(purpose::transition, 1)),
                          draw(rng.split(k + 1).stream(purpose::transition, 1)));
    }
}

} // namespace random_law_test
