// What measures the samples of mnist: Frechet distances against closed forms, errors by the jackknife, and
// the nearest training image.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <stdexcept>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <doctest/doctest.h>
#include <mnist/frechet_distance.hpp>

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

} // namespace studies_mnist_sample_test
