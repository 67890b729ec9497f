// The energy distance of the studies against closed forms.
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include <shared/energy_distance.hpp>

namespace {

using studies::cloud, studies::sample, studies::energy_distance, studies::paired_energy_distance;

/// E|D| of D ~ N(mean, deviation^2).
double mean_absolute(double mean, double deviation) {
    return deviation * std::sqrt(2.0 / std::numbers::pi) *
               std::exp(-0.5 * diamond::square(mean / deviation)) +
           mean * std::erf(mean / (deviation * std::numbers::sqrt2));
}

/// Numbers as points: in one dimension, or in the first of several.
cloud points(const std::vector<double>& numbers, diamond::index_t rows = 1) {
    std::vector<float> result(numbers.size() * static_cast<std::size_t>(rows), 0.0f);
    for (std::size_t j = 0; j < numbers.size(); ++j)
        result[j * static_cast<std::size_t>(rows)] = static_cast<float>(numbers[j]);
    return {result, rows};
}

std::vector<double> normals(std::mt19937_64& engine, std::size_t count, double mean = 0.0,
                            double deviation = 1.0) {
    std::normal_distribution<double> law(mean, deviation);
    std::vector<double> result(count);
    for (double& x : result) x = law(engine);
    return result;
}

/// Mean, its standard error, deviation and mean square of the stated errors, over independent runs.
struct many {
    double mean = 0.0, error = 0.0, deviation = 0.0, stated = 0.0;
};

template <class Run>
many repeat(std::size_t runs, Run run) {
    double sum = 0.0, squares = 0.0, stated = 0.0;
    for (std::size_t k = 0; k < runs; ++k) {
        const auto [value, standard_error] = run();
        sum += value;
        squares += value * value;
        stated += standard_error * standard_error;
    }
    const auto count = static_cast<double>(runs);
    const double mean = sum / count;
    const double deviation = std::sqrt((squares / count - mean * mean) * count / (count - 1.0));
    return {mean, deviation / std::sqrt(count), deviation, std::sqrt(stated / count)};
}

constexpr double bound = 4.5; // standard errors: false alarm 7e-6 a check, and the seeds are fixed

} // namespace

TEST_CASE("by hand: weights, and pairs of one family left out") {
    // points 0, 1, 3; truth 0, 2. Families {0, 1}, {3}: across 1, 1, 2; the two pairs of two families are 3
    // and 2 apart.
    const sample truth(points({0, 2}));
    CHECK(truth.mean_distance() == 2.0);
    const std::vector<double> weights{0.25, 0.25, 0.5};
    const auto far_from = [&](std::vector<std::int32_t> families) {
        return energy_distance(sample(points({0, 1, 3}), weights, std::move(families)), truth);
    };
    const double across = 0.25 * 1 + 0.25 * 1 + 0.5 * 2,
                 within = 2 * (0.25 * 0.5 * 3 + 0.25 * 0.5 * 2) / (1 - 0.25 - 0.25);
    CHECK(far_from({7, 7, 2}).value == doctest::Approx(2 * across - within - 2.0).epsilon(1e-6)); // float
    const double all_pairs = 2 * (0.0625 * 1 + 0.125 * 3 + 0.125 * 2) / (1 - 0.0625 - 0.0625 - 0.25);
    CHECK(far_from({0, 1, 2}).value == doctest::Approx(2 * across - all_pairs - 2.0).epsilon(1e-6));
    CHECK(std::isnan(far_from({4, 4, 4}).value));
    // a family without weight is none
    CHECK(std::isnan(energy_distance(sample(points({0, 1, 3}), {0.5, 0.5, 0.0}, {4, 4, 5}), truth).value));
    CHECK(std::isnan(energy_distance(truth, sample(points({1}))).value));
    // Paired, 0 with 0 and 2 with 3: across are |0 - 3| and |2 - 0|.
    CHECK(paired_energy_distance(truth, sample(points({0, 3}))).value ==
          doctest::Approx(2 * 2.5 - 2.0 - 3.0));
}

TEST_CASE("clouds: any number of dimensions and blocks, pairs joined, the nearest") {
    CHECK(cloud::joined({1, 2, 3, 4}, {5, 6, 7, 8}, 2).to(cloud({1, 2, 5, 5}, 4), 0, 1)(0, 0) ==
          doctest::Approx(1.0f));
    std::vector<double> line(1001); // 0 ... 1000, several blocks: E|X - X'| = (n + 1)/3
    std::iota(line.begin(), line.end(), 0.0);
    CHECK(sample(points(line, 3)).mean_distance() == doctest::Approx(1002.0 / 3.0).epsilon(1e-5));
    CHECK(studies::median_nearest(points({0, 10, 21}), points({1, 12, 18})) == doctest::Approx(2.0));
}

TEST_CASE("two Gaussians: unbiased, whatever the number of draws") {
    std::mt19937_64 engine(1);
    struct pair {
        double mean, deviation;
    };
    for (const auto [mean, deviation] : {pair{0.0, 1.0}, pair{1.5, 1.0}, pair{-0.5, 2.0}}) {
        const double truth = 2.0 * mean_absolute(mean, std::hypot(1.0, deviation)) -
                             mean_absolute(0.0, std::numbers::sqrt2 * deviation) -
                             mean_absolute(0.0, std::numbers::sqrt2);
        const auto found = repeat(2000, [&] {
            constexpr std::size_t n = 10, m = 15;
            const sample x(points(normals(engine, n, mean, deviation), 2)), y(points(normals(engine, m), 2));
            return energy_distance(x, y);
        });
        INFO(mean, " ", deviation, ": ", found.mean, " +- ", found.error, ", exactly ", truth);
        CHECK(std::abs(found.mean - truth) < bound * found.error);
    }
}

TEST_CASE("dependent families: unbiased; taken for independent, off by what the closed form says") {
    constexpr std::size_t families = 8, size = 4, n = families * size, m = 40;
    constexpr double rho = 0.9; // correlation within a family
    std::vector<double> weights(n);
    std::vector<std::int32_t> family(n);
    for (std::size_t j = 0; j < n; ++j) {
        family[j] = static_cast<std::int32_t>(j / size);
        weights[j] = static_cast<double>(1 + j / size) /
                     (size * families * (families + 1) / 2.0); // family f has weight (f + 1) / 36
    }
    double own = 0.0, squares = 0.0; // sums of squares of the families' and of the particles' weights
    for (std::size_t j = 0; j < n; ++j) {
        squares += diamond::square(weights[j]);
        if (j % size == 0) own += diamond::square(size * weights[j]);
    }
    // pairs of one family are closer by this much on average, and their share of the pairs is (own - squares)
    // / (1 - squares)
    const double off = (own - squares) / (1.0 - squares) * mean_absolute(0.0, std::numbers::sqrt2) *
                       (1.0 - std::sqrt(1.0 - rho));

    for (const bool told : {true, false}) {
        std::mt19937_64 engine(2);
        const auto found = repeat(2000, [&] {
            const auto common = normals(engine, families), single = normals(engine, n);
            std::vector<double> x(n);
            for (std::size_t j = 0; j < n; ++j)
                x[j] = std::sqrt(rho) * common[j / size] + std::sqrt(1.0 - rho) * single[j];
            return energy_distance(sample(points(x), weights, told ? family : std::vector<std::int32_t>{}),
                                   sample(points(normals(engine, m))));
        });
        const double truth = told ? 0.0 : off;
        INFO(told, ": ", found.mean, " +- ", found.error, ", expected ", truth);
        CHECK(off > 20.0 * found.error); // so that one is not taken for the other
        CHECK(std::abs(found.mean - truth) < bound * found.error);
    }
}

TEST_CASE(
    "pairs that depend on each other: unbiased; taken for independent, off by what the closed form says") {
    constexpr std::size_t n = 12;
    constexpr double rho = 0.95, shift = 0.3; // correlation of x_i with y_i
    const double unit = mean_absolute(0.0, std::numbers::sqrt2),
                 apart = mean_absolute(shift, std::numbers::sqrt2);
    const double truth = 2.0 * apart - 2.0 * unit;
    // the n pairs among n^2
    const double off = 2.0 / n * (mean_absolute(shift, std::sqrt(2.0 - 2.0 * rho)) - apart);
    for (const bool told : {true, false}) {
        std::mt19937_64 engine(4);
        const auto found = repeat(4000, [&] {
            auto x = normals(engine, n), y = x;
            const auto own = normals(engine, n);
            for (std::size_t j = 0; j < n; ++j)
                y[j] = shift + rho * x[j] + std::sqrt(1.0 - rho * rho) * own[j];
            const sample a(points(x)), b(points(y));
            return told ? paired_energy_distance(a, b) : energy_distance(a, b);
        });
        INFO(told, ": ", found.mean, " +- ", found.error, ", exactly ", truth, ", off by ", off);
        CHECK(std::abs(off) > 10.0 * found.error);
        CHECK(std::abs(found.mean - truth - (told ? 0.0 : off)) < bound * found.error);
    }
}

TEST_CASE("the standard error of pairs is the spread of many runs where the laws differ") {
    constexpr std::size_t n = 80;
    std::mt19937_64 engine(5);
    const auto found = repeat(500, [&] {
        auto x = normals(engine, n), y = x;
        const auto own = normals(engine, n);
        for (std::size_t j = 0; j < n; ++j) y[j] = 1.0 + 0.5 * x[j] + own[j];
        return paired_energy_distance(sample(points(x)), sample(points(y)));
    });
    INFO("spread ", found.deviation, ", stated ", found.stated);
    CHECK(std::abs(found.stated / found.deviation - 1.0) < 4.5 * 0.032 + 0.05); // as below
}

TEST_CASE("the standard error is the spread of many runs where the laws differ") {
    constexpr std::size_t families = 60, size = 3, n = families * size;
    std::vector<std::int32_t> family(n);
    for (std::size_t j = 0; j < n; ++j) family[j] = static_cast<std::int32_t>(j / size);
    std::mt19937_64 engine(3);
    const auto found = repeat(500, [&] {
        const auto common = normals(engine, families, 1.0, 1.0), single = normals(engine, n, 0.0, 0.5);
        std::vector<double> x(n);
        for (std::size_t j = 0; j < n; ++j) x[j] = common[j / size] + single[j];
        return energy_distance(sample(points(x), std::vector<double>(n, 1.0 / n), family),
                               sample(points(normals(engine, 90))));
    });
    // 500 runs know a deviation to 3.2 %: 4.5 of those, and 5 % for a jackknife over 60 families
    INFO("spread ", found.deviation, ", stated ", found.stated);
    CHECK(std::abs(found.stated / found.deviation - 1.0) < 4.5 * 0.032 + 0.05);
}
