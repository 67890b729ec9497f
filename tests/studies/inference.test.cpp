// The problems of inference: simulators, likelihoods and reference draws against each other and by hand; and
// the classifier two-sample test against the best accuracies that there are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <inference/classifier_test.hpp>
#include <inference/tasks.hpp>

#include <diamond/io/npy.hpp>

#include <support/program.hpp>
#include <support/statistics.hpp>

namespace {

using diamond::index_t, diamond::philox, diamond::square;
using inference::classifier_two_sample_test, inference::lower_normal_quantile, inference::normal_probability,
    inference::number_source, inference::reference_of, inference::simulate_many, inference::slcp,
    inference::theta_of, inference::two_moons, inference::z_of;

constexpr double bound = 4.5; // standard errors: false alarm 7e-6 a check, and the seeds are fixed

std::filesystem::path data() {
    return std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path().parent_path() / "inference" / "data";
}
diamond::noise_stream stream(std::uint64_t seed) { return philox{seed}.stream(diamond::purpose::user); }

void check_near(const statistics::estimate& found, double exact) {
    INFO(found.value, " +- ", found.standard_error, ", exactly ", exact);
    CHECK(std::abs(found.value - exact) < bound * found.standard_error);
}

/// The mean of f(x) over n simulations given theta.
template <class Task, class F>
statistics::estimate simulated_mean(const double* theta, index_t n, const F& f) {
    return statistics::average(n, [&](index_t j) {
        number_source source(stream(7), j);
        double x[Task::numbers];
        Task::simulate(theta, source, x);
        return f(x);
    });
}

/// n draws of N(0, I) in the plane, of which f(x) makes what is kept.
template <class F>
std::vector<float> plane_draws(std::uint64_t seed, index_t n, const F& f) {
    std::vector<float> result;
    for (index_t j = 0; j < n; ++j) {
        number_source source(stream(seed), j);
        double x[2] = {source.normal(), source.normal()};
        f(x);
        result.insert(result.end(), {static_cast<float>(x[0]), static_cast<float>(x[1])});
    }
    return result;
}
const auto as_it_is = [](double*) {};

} // namespace

TEST_CASE("the coordinates of the box: round trips, in both tails, and quantiles of other programs") {
    struct quantile {
        double p, z; // by mpmath
    };
    for (const auto [p, z] : {quantile{0.4, -0.25334710313579974}, quantile{0.025, -1.9599639845400542},
                              quantile{1e-20, -9.2623400897984076}, quantile{1e-300, -37.047096299361199}})
        CHECK(std::abs(lower_normal_quantile(p) - z) < 4e-16 * std::max(1.0, -z) + 1e-15 * -z);
    for (double z = -37.0; z <= 0.0; z += 0.01)
        CHECK(std::abs(lower_normal_quantile(normal_probability(z)) - z) < 1e-12);

    for (int k = -1000; k <= 1000; ++k) {
        const double share = k / 1000.0, z = 8.0 * share, theta = slcp::bound * share;
        CHECK(std::abs(theta_of<slcp>(z_of<slcp>(theta)) - theta) < 1e-14);
        CHECK(z_of<slcp>(-theta) == -z_of<slcp>(theta));
        // A parameter is rounded by half of 2^-52 at most near the ends, where dz = dtheta/(2 b phi(z)).
        const double rounding = 0x1p-52 / (std::exp(-0.5 * z * z) / std::sqrt(2.0 * diamond::pi));
        CHECK(std::abs(z_of<two_moons>(theta_of<two_moons>(z)) - z) < 1e-15 + rounding);
        if (std::abs(z) <= 4.0) CHECK(std::abs(z_of<two_moons>(theta_of<two_moons>(z)) - z) < 1e-12);
    }
    CHECK(z_of<slcp>(3.0) == diamond::infinity);
    CHECK(z_of<slcp>(-3.0) == -diamond::infinity);
    CHECK(z_of<slcp>(0.0) == doctest::Approx(0.0));
    CHECK(theta_of<two_moons>(diamond::infinity) == 1.0);
    CHECK(theta_of<slcp>(std::vector{0.0f, 50.0f}) == std::vector{0.0f, 3.0f});
    CHECK_THROWS_WITH_AS(z_of<two_moons>(1.5), doctest::Contains("two_moons: the parameter 1.5 is outside"),
                         std::invalid_argument);
    CHECK_THROWS_AS(z_of<two_moons>(std::nan("")), std::invalid_argument);
}

TEST_CASE("two moons: the likelihood integrates to 1, and the simulator has its means") {
    constexpr double h = 5e-4; // of the grid, a twentieth of the crescent's deviation
    for (const auto& theta : {std::vector{0.0, 0.0}, std::vector{0.7, -0.4}, std::vector{-0.9, -0.8}}) {
        const double first = 0.25 - std::abs(theta[0] + theta[1]) / std::sqrt(2.0),
                     second = (theta[1] - theta[0]) / std::sqrt(2.0);
        const auto f = [&](const double* x) {
            return std::cos(30.0 * (x[0] - first)) + square(x[0]) + x[1] + x[0] * x[1];
        };
        double mass = 0.0, mean = 0.0;
        // The midpoint rule, with x_1 from the edge of the support on, about which the density is even.
        for (double u = 0.5 * h; u < 0.17; u += h)
            for (double v = -0.17 + 0.5 * h; v < 0.17; v += h) {
                const double x[2] = {first + u, second + v};
                const double density = h * h * std::exp(two_moons::log_likelihood(theta.data(), x));
                mass += density;
                mean += density * f(x);
            }
        CHECK(mass == doctest::Approx(1.0).epsilon(1e-9));
        check_near(simulated_mean<two_moons>(theta.data(), 40000, f), mean);
        const double left[2] = {first - 1e-9, second + 0.1};
        CHECK(two_moons::log_likelihood(theta.data(), left) == -diamond::infinity);
    }
    // At the middle of the crescent, by hand: N(0; 0, 0.01^2)/(pi 0.1).
    const double theta[2] = {0.0, 0.0}, x[2] = {0.35, 0.0}, pole[2] = {0.25, 0.0};
    CHECK(two_moons::log_likelihood(theta, pole) == -diamond::infinity);
    CHECK(two_moons::log_likelihood(theta, x) ==
          doctest::Approx(-std::log(0.01 * std::sqrt(2.0 * diamond::pi)) - std::log(0.1 * diamond::pi)));
}

TEST_CASE("SLCP: the likelihood by hand; means, covariances and ratios of likelihoods by the simulator") {
    const double far = 3.0, theta[5] = {0.5, -1.0, 1.0, -2.0, std::atanh(0.5)};
    // All four draws one and one from the mean; the covariance is [[1, 2], [2, 16]], and 1e-6 on the
    // diagonal.
    const double x[8] = {1.5, 0.0, 1.5, 0.0, 1.5, 0.0, 1.5, 0.0}, a = 1.0 + 1e-6, b = 16.0 + 1e-6;
    const double determinant = a * b - 4.0;
    CHECK(slcp::log_likelihood(theta, x) ==
          doctest::Approx(-4.0 * std::log(2.0 * diamond::pi) - 2.0 * std::log(determinant) -
                          2.0 * (b - 4.0 + a) / determinant)
              .epsilon(1e-14));
    const double unit[5] = {0.0, 0.0, 1.0, 1.0, 0.0}, apart[8] = {1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, -3.0};
    CHECK(slcp::log_likelihood(unit, apart) ==
          doctest::Approx(-4.0 * std::log(2.0 * diamond::pi * a) - 7.0 / a).epsilon(1e-14));
    const double flat[5] = {0.0, 0.0, 0.0, 0.0, 1.0}, corner[5] = {far, -far, far, far, far};
    CHECK(std::isfinite(slcp::log_likelihood(flat, apart)));
    CHECK(std::isfinite(slcp::log_likelihood(corner, apart)));

    constexpr index_t n = 20000;
    for (index_t k = 0; k < 8; k += 2) {
        const auto mean_of = [&](const auto& f) {
            return simulated_mean<slcp>(theta, n,
                                        [&](const double* at) { return f(at[k] - 0.5, at[k + 1] + 1.0); });
        };
        check_near(mean_of([](double u, double) { return u; }), 0.0);
        check_near(mean_of([](double, double v) { return v; }), 0.0);
        check_near(mean_of([](double u, double) { return u * u; }), a);
        check_near(mean_of([](double, double v) { return v * v; }), b);
        check_near(mean_of([](double u, double v) { return u * v; }), 2.0);
    }
    // One draw is independent of the next.
    check_near(simulated_mean<slcp>(theta, n, [](const double* at) { return (at[0] - 0.5) * (at[2] - 0.5); }),
               0.0);
    // E[p(x | other)/p(x | theta)] = 1 given theta.
    for (const std::size_t i : {0u, 1u, 2u, 3u, 4u}) {
        std::vector<double> other(theta, theta + 5);
        other[i] -= i == 4 ? 0.1 : 0.05;
        check_near(simulated_mean<slcp>(theta, n,
                                        [&](const double* at) {
                                            return std::exp(slcp::log_likelihood(other.data(), at) -
                                                            slcp::log_likelihood(theta, at));
                                        }),
                   1.0);
    }
}

TEST_CASE_TEMPLATE("simulation j depends on the seed and j alone, and is possible", Task, two_moons, slcp) {
    const auto many = simulate_many<Task>(philox{3}, 2000), few = simulate_many<Task>(philox{3}, 10),
               other = simulate_many<Task>(philox{4}, 10);
    CHECK(many.z.size() == std::size_t{2000} * Task::parameters);
    CHECK(many.x.size() == std::size_t{2000} * Task::numbers);
    CHECK(std::vector(many.z.begin(), many.z.begin() + std::ssize(few.z)) == few.z);
    CHECK(std::vector(many.x.begin(), many.x.begin() + std::ssize(few.x)) == few.x);
    CHECK(other.z != few.z);
    CHECK(other.x != few.x);
    CHECK(simulate_many<Task>(philox{3}, 0).x.empty());
    CHECK_THROWS_AS(simulate_many<Task>(philox{3}, -1), std::invalid_argument);
    const auto n = std::ssize(many.z);
    const auto z = [&](index_t i) { return static_cast<double>(many.z[static_cast<std::size_t>(i)]); };
    check_near(statistics::average(n, z), 0.0);
    check_near(statistics::average(n, [&](index_t i) { return square(z(i)); }), 1.0);
    for (index_t j = 0; j < 2000; ++j) {
        double theta[Task::parameters], x[Task::numbers];
        for (index_t i = 0; i < Task::parameters; ++i) theta[i] = theta_of<Task>(z(i + Task::parameters * j));
        for (index_t i = 0; i < Task::numbers; ++i)
            x[i] = static_cast<double>(many.x[static_cast<std::size_t>(i + Task::numbers * j)]);
        REQUIRE(std::isfinite(Task::log_likelihood(theta, x)));
    }
}

TEST_CASE_TEMPLATE("the reference draws are possible, and so are the true parameters", Task, two_moons,
                   slcp) {
    const auto all = reference_of(Task{}, data());
    CHECK(all.size() == 5);
    for (const auto& one : all) {
        REQUIRE(one.draws.size() == std::size_t{10000} * Task::parameters);
        CHECK(std::isfinite(Task::log_likelihood(one.theta.data(), one.x.data())));
        index_t impossible = 0;
        for (index_t j = 0; j < 10000; ++j)
            impossible += !std::isfinite(one.template log_likelihood<Task>(j));
        CHECK(impossible == 0);
        CHECK(theta_of<Task>(z_of<Task>(one.draws)).size() == one.draws.size());
    }
}

TEST_CASE("the reference draws of two moons have the likelihood's radius, and both signs") {
    // Given x, the centre of theta's crescent is a ring's point from x, whatever the sign of theta_1 +
    // theta_2.
    const auto one = reference_of(two_moons{}, data()).front();
    const auto theta = [&](index_t i, index_t j) {
        return static_cast<double>(one.draws[static_cast<std::size_t>(i + 2 * j)]);
    };
    const auto h = [&](index_t j) {
        return std::hypot(one.x[0] - 0.25 + std::abs(theta(0, j) + theta(1, j)) / std::sqrt(2.0),
                          one.x[1] - (theta(1, j) - theta(0, j)) / std::sqrt(2.0));
    };
    check_near(statistics::average(10000, h), 0.1);
    check_near(statistics::average(10000, [&](index_t j) { return square(h(j) - 0.1); }), 1e-4);
    check_near(statistics::average(10000, [&](index_t j) { return theta(0, j) + theta(1, j) > 0.0 ? 1 : 0; }),
               0.5);
}

TEST_CASE("the reference draws of SLCP have the likelihood's gradient") {
    // Partial integration over the box, with f = 9 - theta_i^2, which is 0 at its ends: the posterior has
    // E[f' + f d log p(x | theta)/d theta_i] = 0. The derivative is a central difference.
    for (const auto& one : reference_of(slcp{}, data()))
        for (std::size_t i = 0; i < 5; ++i)
            check_near(statistics::average(
                           10000,
                           [&](index_t j) {
                               constexpr double h = 1e-4;
                               const auto at = one.draws.begin() + 5 * j;
                               std::vector<double> up(at, at + 5), down = up;
                               const double theta = up[i];
                               up[i] += h;
                               down[i] -= h;
                               const double slope = (slcp::log_likelihood(up.data(), one.x.data()) -
                                                     slcp::log_likelihood(down.data(), one.x.data())) /
                                                    (2.0 * h);
                               return (9.0 - square(theta)) * slope - 2.0 * theta;
                           }),
                       0.0);
}

TEST_CASE("files that are no reference are refused") {
    const auto folder = diamond_test::empty_folder("inference");
    CHECK_THROWS_WITH_AS(reference_of(slcp{}, folder), doctest::Contains("slcp_observations.npy"),
                         diamond::io::file_error);
    const auto write = [&](const char* name, const auto& numbers, std::initializer_list<std::size_t> shape) {
        diamond::io::write_npy(folder / name, numbers, shape);
    };
    write("two_moons_observations.npy", std::vector{0.1, 0.2}, {1, 2});
    write("two_moons_parameters.npy", std::vector{0.3, 0.4, 0.5, 0.6}, {2, 2});
    CHECK_THROWS_WITH_AS(reference_of(two_moons{}, folder),
                         doctest::Contains("shape (2, 2) found, (1, 2) expected"), diamond::io::file_error);
    write("two_moons_parameters.npy", std::vector{0.3, 0.4}, {1, 2});
    write("two_moons_reference.npy", std::vector{0.5f, 1.5f}, {1, 1, 2});
    CHECK_THROWS_WITH_AS(reference_of(two_moons{}, folder),
                         doctest::Contains("element 1 is 1.5, not within -1 to 1"), diamond::io::file_error);
    write("two_moons_reference.npy", std::vector{0.5f, 0.75f}, {1, 1, 2});
    CHECK(reference_of(two_moons{}, folder).front().draws == std::vector{0.5f, 0.75f});
    write("two_moons_observations.npy", std::vector{0.1, std::numeric_limits<double>::infinity()}, {1, 2});
    CHECK_THROWS_WITH_AS(reference_of(two_moons{}, folder), doctest::Contains("element 1 is inf"),
                         diamond::io::file_error);
}

TEST_CASE("the classifier test: 1/2 for one law, and nearly the best accuracy for two") {
    // The standard error is 0.35/sqrt n = 0.005 for an accuracy near 1/2, and less elsewhere: 0.02 are four.
    constexpr index_t n = 5000;
    constexpr inference::classifier_test_options quick{.epochs = 40, .patience = 15};
    const auto normal = plane_draws(1, n, as_it_is);
    const double same = classifier_two_sample_test(normal, plane_draws(2, n, as_it_is), 2, quick);
    CHECK(std::abs(same - 0.5) < 0.02);

    // N(0, I) against N((2, 2), I): the best is Phi(sqrt 2) = 0.9214.
    const auto moved = plane_draws(3, n, [](double* x) { x[0] += 2.0, x[1] += 2.0; });
    const double shifted = classifier_two_sample_test(normal, moved, 2, quick);
    CHECK(shifted > 0.9);
    CHECK(std::abs(shifted - normal_probability(std::sqrt(2.0))) < 0.02);

    // Equal marginals, and a correlation of 0.9: the likelihood ratio is right on as many of the same draws.
    constexpr double rho = 0.9;
    const auto together = plane_draws(
        4, n, [](double* x) { x[1] = rho * x[0] + std::sqrt(1.0 - rho * rho) * x[1]; });
    double right = 0.0;
    for (const auto* set : {&normal, &together})
        for (std::size_t j = 0; j < set->size(); j += 2) {
            const double u = static_cast<double>((*set)[j]), v = static_cast<double>((*set)[j + 1]);
            const double log_ratio = 0.5 * (v * v - square(v - rho * u) / (1.0 - rho * rho) -
                                            std::log(1.0 - rho * rho));
            right += (log_ratio > 0.0) == (set == &together);
        }
    const double best = right / static_cast<double>(2 * n),
                 dependent = classifier_two_sample_test(normal, together, 2, quick);
    INFO(same, " ", shifted, " ", dependent, " of ", best);
    CHECK(best > 0.7);
    CHECK(std::abs(dependent - best) < 0.02);

    // Halves of both laws in each set: nothing is left to find.
    auto first = normal, second = together;
    std::swap_ranges(first.begin(), first.begin() + n, second.begin());
    CHECK(std::abs(classifier_two_sample_test(first, second, 2, quick) - 0.5) < 0.02);
}

TEST_CASE("the classifier test: units and threads do not matter, and what are no two sets is refused") {
    inference::classifier_test_options quick{.epochs = 3};
    const auto first = plane_draws(1, 500, as_it_is),
               second = plane_draws(2, 500, [](double* x) { x[0] *= 2.0; });
    const double accuracy = classifier_two_sample_test(first, second, 2, quick);
    CHECK(accuracy > 0.5);
    CHECK(classifier_two_sample_test(std::vector<double>(first.begin(), first.end()),
                                     std::vector<double>(second.begin(), second.end()), 2,
                                     quick) == accuracy);
    const auto larger = [](std::vector<float> numbers) { // by powers of 2, so that no rounding differs
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] *= i % 2 ? 1024.0f : 0x1p-20f;
        return numbers;
    };
    CHECK(classifier_two_sample_test(larger(first), larger(second), 2, quick) == accuracy);
    quick.threads = 2;
    CHECK(classifier_two_sample_test(first, second, 2, quick) == accuracy);

    auto shorter = second, no_number = second, flat = first;
    shorter.resize(shorter.size() - 2);
    no_number[3] = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = 0; i < flat.size(); i += 2) flat[i] = 1.0f;
    const auto refuses = [&](const auto& one, const auto& other, index_t dimension, const char* why) {
        CHECK_THROWS_WITH_AS(classifier_two_sample_test(one, other, dimension), doctest::Contains(why),
                             std::invalid_argument);
    };
    refuses(first, shorter, 2, "1000 and 998 numbers are no two sets of as many draws in 2 dimensions");
    refuses(first, second, 3, "draws in 3 dimensions");
    refuses(first, second, 0, "draws in 0 dimensions");
    refuses(first, no_number, 2, "coordinate 1 of draw 1 of the second set is nan");
    refuses(flat, second, 2, "coordinate 0 of the first set has standard deviation 0");
    CHECK_THROWS_AS(classifier_two_sample_test(first, second, 2, {.folds = 1}), std::invalid_argument);
}
