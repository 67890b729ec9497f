// What measures the samples and posterior draws of mnist: Frechet distances against closed forms, errors, the
// nearest training image, and draws of a Gaussian posterior.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <doctest/doctest.h>
#include <mnist/estimates.hpp>
#include <mnist/frechet_distance.hpp>

#include <shared/draw_moments.hpp>
#include <shared/energy_distance.hpp>

namespace studies_mnist_sample_test {

namespace {

using mnist::frechet_distance, mnist::grouped_points, mnist::law_moments;

/// Two Gaussians of the plane whose covariances have other axes.
law_moments first() {
    return {Eigen::Vector2d(1.0, -2.0), (Eigen::Matrix2d() << 2.0, 1.3, 1.3, 1.0).finished()};
}
law_moments second() {
    return {Eigen::Vector2d(0.5, -1.0), (Eigen::Matrix2d() << 0.7, -1.2, -1.2, 3.0).finished()};
}
/// For 2 x 2 matrices, tr (A B)^1/2 = (tr A B + 2 (det A B)^1/2)^1/2.
double closed_form(const law_moments& x, const law_moments& y) {
    const Eigen::Matrix2d both = x.covariance * y.covariance;
    return (x.mean - y.mean).squaredNorm() + x.covariance.trace() + y.covariance.trace() -
           2.0 * std::sqrt(both.trace() + 2.0 * std::sqrt(both.determinant()));
}
/// What it would be if the covariances had the same axes.
double as_if_commuting(const law_moments& x, const law_moments& y) {
    const auto root = [](const Eigen::MatrixXd& of) {
        return Eigen::MatrixXd(Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(of).operatorSqrt());
    };
    return (x.mean - y.mean).squaredNorm() + (root(x.covariance) - root(y.covariance)).squaredNorm();
}
std::vector<float> draws(std::mt19937_64& engine, const law_moments& of, std::size_t count) {
    std::normal_distribution<double> law;
    const Eigen::MatrixXd root = Eigen::LLT<Eigen::MatrixXd>(of.covariance).matrixL();
    std::vector<float> result;
    for (std::size_t j = 0; j < count; ++j) {
        Eigen::Vector2d x(law(engine), law(engine));
        x = of.mean + root * x;
        result.insert(result.end(), {static_cast<float>(x[0]), static_cast<float>(x[1])});
    }
    return result;
}

} // namespace

TEST_CASE("mnist: the Frechet distance of Gaussians, in closed form") {
    CHECK(frechet_distance(first(), second()) == doctest::Approx(closed_form(first(), second())));
    CHECK(frechet_distance(second(), first()) == doctest::Approx(closed_form(first(), second())));
    CHECK(std::abs(frechet_distance(first(), first())) < 1e-12);
    CHECK(as_if_commuting(first(), second()) > 1.01 * closed_form(first(), second())); // the test would see
                                                                                       // it
    // A law on a line, whose covariance has no inverse.
    const law_moments line{Eigen::Vector2d(0.0, 0.0), (Eigen::Matrix2d() << 4.0, 0.0, 0.0, 0.0).finished()};
    const law_moments round{Eigen::Vector2d(0.0, 0.0), Eigen::Matrix2d::Identity()};
    CHECK(frechet_distance(line, round) == doctest::Approx(2.0)); // (2 - 1)^2 + (0 - 1)^2
}

TEST_CASE("mnist: moments without a group are those of the other points") {
    std::mt19937_64 engine(1);
    const auto points = draws(engine, first(), 53);
    const grouped_points grouped(points, 2, 5);
    CHECK(grouped.count() == 53);
    for (diamond::index_t g = -1; g < 5; ++g) {
        std::vector<Eigen::Vector2d> left;
        for (diamond::index_t j = 0; j < 53; ++j)
            if (g < 0 || j < grouped.first_of(g) || j >= grouped.first_of(g + 1))
                left.emplace_back(points[static_cast<std::size_t>(2 * j)],
                                  points[static_cast<std::size_t>(2 * j + 1)]);
        Eigen::Vector2d mean = Eigen::Vector2d::Zero();
        for (const auto& x : left) mean += x / static_cast<double>(left.size());
        Eigen::Matrix2d covariance = Eigen::Matrix2d::Zero();
        for (const auto& x : left)
            covariance += (x - mean) * (x - mean).transpose() / static_cast<double>(left.size() - 1);
        const auto found = grouped.without(g);
        CHECK((found.mean - mean).norm() < 1e-12);
        CHECK((found.covariance - covariance).norm() < 1e-12);
    }
    CHECK_THROWS_AS(grouped_points(points, 2, 27), std::invalid_argument);
}

TEST_CASE("mnist: the jackknife of a mean is its variance") {
    const std::vector<double> numbers{3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0};
    double sum = 0.0, squares = 0.0;
    for (const double x : numbers) {
        sum += x;
        squares += x * x;
    }
    const double variance = (squares - sum * sum / 8.0) / 7.0 / 8.0;
    CHECK(mnist::jackknife_variance(8, [&](diamond::index_t g) {
              return (sum - numbers[static_cast<std::size_t>(g)]) / 7.0;
          }) == doctest::Approx(variance));
}

TEST_CASE("mnist: the Frechet distance of samples lies within its error of the truth, and not where the laws "
          "are others") {
    constexpr int runs = 200;
    const double truth = closed_form(first(), second());
    std::mt19937_64 engine(2);
    double sum = 0.0, squares = 0.0, stated = 0.0;
    for (int k = 0; k < runs; ++k) {
        const grouped_points x(draws(engine, first(), 400), 2), y(draws(engine, second(), 600), 2);
        const auto found = frechet_distance(x, y);
        sum += found.value / runs;
        squares += found.value * found.value / runs;
        stated += diamond::square(found.standard_error) / runs;
    }
    const double deviation = std::sqrt(squares - sum * sum);
    // What the errors of the moments add is less than 4 tr/n here.
    CHECK(std::abs(sum - truth) < 4.5 * deviation / std::sqrt(double{runs}) + 4.0 * 3.0 / 400.0);
    CHECK(std::sqrt(stated) > 0.85 * deviation); // five standard errors of a deviation of 200: 25 %
    CHECK(std::sqrt(stated) < 1.25 * deviation);
    auto moved = second();
    moved.mean[0] -= 1.0;
    CHECK(std::abs(sum - closed_form(first(), moved)) > 10.0 * deviation / std::sqrt(double{runs}));
}

TEST_CASE("mnist: the nearest of many points, in blocks") {
    std::mt19937_64 engine(3);
    const auto x = draws(engine, first(), 5), many = draws(engine, second(), 5000);
    const auto found = studies::nearest_distances({x, 2}, {many, 2});
    for (std::size_t i = 0; i < 5; ++i) {
        double nearest = INFINITY;
        for (std::size_t j = 0; j < 5000; ++j)
            nearest = std::min(nearest, std::hypot(double{x[2 * i]} - double{many[2 * j]},
                                                   double{x[2 * i + 1]} - double{many[2 * j + 1]}));
        CHECK(static_cast<double>(found[static_cast<Eigen::Index>(i)]) ==
              doctest::Approx(nearest).epsilon(0.01));
    }
    // Points that are among the others are memorised.
    const std::vector<float> copied(many.end() - 20, many.end());
    CHECK(studies::median_nearest({copied, 2}, {many, 2}) < 1e-3);
}

TEST_CASE("mnist: the error of a ratio is what it varies by") {
    constexpr int runs = 400;
    std::mt19937_64 engine(4);
    std::gamma_distribution<double> scale(2.0);
    std::normal_distribution<double> law;
    double sum = 0.0, squares = 0.0, stated = 0.0;
    for (int k = 0; k < runs; ++k) {
        std::vector<double> x, y;
        for (int j = 0; j < 200; ++j) {
            const double common = scale(engine);
            y.push_back(common);
            x.push_back(common * (0.3 + 0.2 * law(engine)));
        }
        const auto found = mnist::ratio_of(x, y);
        sum += found.value / runs;
        squares += found.value * found.value / runs;
        stated += diamond::square(found.standard_error) / runs;
    }
    const double deviation = std::sqrt(squares - sum * sum);
    CHECK(std::abs(sum - 0.3) < 4.5 * deviation / std::sqrt(double{runs}));
    CHECK(std::sqrt(stated) == doctest::Approx(deviation).epsilon(0.16)); // 4.5 standard errors
}

TEST_CASE("mnist: draws from a Gaussian posterior have its mean and spread, and make true pairs") {
    constexpr std::size_t images = 600, m = 8;
    constexpr double t = 0.6;
    // z ~ N(0, 1) and x_t = t z + (1 - t) eps give z | x_t ~ N(t x_t/c, (1 - t)^2/c).
    const double c = t * t + (1.0 - t) * (1.0 - t), slope = t / c, deviation = (1.0 - t) / std::sqrt(c);
    std::mt19937_64 engine(5);
    std::normal_distribution<double> law;
    std::vector<double> z, x;
    for (std::size_t j = 0; j < images; ++j) {
        z.push_back(law(engine));
        x.push_back(t * z[j] + (1.0 - t) * law(engine));
    }
    // The draws are off by `bias` deviations, and too wide by a factor.
    const auto draw = [&](std::size_t j, double bias, double width) {
        return static_cast<float>(slope * x[j] + deviation * (bias + width * law(engine)));
    };
    const auto moments = [&](double bias, double width) {
        std::vector<double> errors, variances, units;
        for (std::size_t j = 0; j < images; ++j) {
            std::vector<float> draws;
            for (std::size_t i = 0; i < m; ++i) draws.push_back(draw(j, bias, width));
            const auto mean = static_cast<float>(slope * x[j]);
            const auto found = studies::moments_of_draws(draws.data(), &mean, 1, m);
            errors.push_back(found.error);
            variances.push_back(found.variance);
            units.push_back(diamond::square(z[j] - slope * x[j]));
        }
        return std::pair{mnist::ratio_of(errors, units), mnist::ratio_of(variances, units)};
    };
    const auto within = [](const mnist::estimate& found, double truth) {
        return std::abs(found.value - truth) < 4.5 * found.standard_error;
    };
    const auto [exact, spread] = moments(0.0, 1.0);
    CHECK(within(exact, 0.0));
    CHECK_FALSE(within(exact, 1.0 / m)); // the Monte Carlo part is not in it
    CHECK(within(spread, 1.0));
    const auto [biased, wide] = moments(0.5, 1.5);
    CHECK(within(biased, 0.25));
    CHECK(within(wide, 2.25));
    CHECK_FALSE(within(biased, 0.0));
    CHECK_FALSE(within(wide, 1.0));

    const auto pairs = [&](const auto& drawn) {
        std::vector<float> both;
        for (std::size_t j = 0; j < images; ++j)
            both.insert(both.end(), {static_cast<float>(x[j]), drawn(j)});
        return studies::sample(studies::cloud(both, 2));
    };
    const auto truth = pairs([&](std::size_t j) { return static_cast<float>(z[j]); });
    const auto apart = [&](const auto& drawn) {
        const auto found = studies::paired_energy_distance(pairs(drawn), truth);
        return found.value / found.standard_error;
    };
    CHECK(std::abs(apart([&](std::size_t j) { return draw(j, 0.0, 1.0); })) < 4.5);
    CHECK(apart([&](std::size_t j) { return draw(j, 1.0, 1.0); }) > 4.5);
    CHECK(apart([&](std::size_t j) { return draw(j, 0.0, 0.0); }) > 4.5);             // the mean itself
    CHECK(apart([&](std::size_t) { return static_cast<float>(law(engine)); }) > 4.5); // deaf to x_t
}

} // namespace studies_mnist_sample_test
