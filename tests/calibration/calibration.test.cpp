// Summaries and scores of weighted samples against closed forms of Gaussians, and against posteriors that are
// too narrow, too wide or displaced.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/calibration/calibration.hpp>
#include <diamond/calibration/posterior_summary.hpp>
#include <diamond/core/expression.hpp>

#include <support/back_ends.hpp>

namespace calibration_calibration_test {

namespace {

using diamond::calibration, diamond::index_t, diamond::philox, diamond::purpose, diamond::square,
    diamond::weighted_samples;
using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// rows x columns standard normal numbers on the host.
std::vector<double> normals(index_t rows, index_t columns, std::uint64_t seed) {
    batch z(context, rows, columns);
    context.fill_normal(philox{seed}.stream(purpose::user), z.mutable_view());
    return diamond::to_host(z);
}
double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * 3.141592653589793); }
double probability(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
/// The CRPS of N(mean, s^2) at y: T. Gneiting and A. E. Raftery, JASA 102 (2007) 359.
double gaussian_crps(double mean, double s, double y) {
    const double u = (y - mean) / s;
    return s * (u * (2.0 * probability(u) - 1.0) + 2.0 * density(u) - 1.0 / std::sqrt(3.141592653589793));
}

/// N(mean, s^2) by samples of N(mean, 4 s^2) with importance weights.
weighted_samples weighted_gaussian(double mean, double s, index_t n, std::uint64_t seed) {
    weighted_samples result{1, normals(1, n, seed), {}};
    double sum = 0.0;
    for (double& x : result.values) {
        result.weights.push_back(std::exp(-0.5 * square(2.0 * x) + 0.5 * square(x)));
        sum += result.weights.back();
        x = mean + 2.0 * s * x;
    }
    for (double& w : result.weights) w /= sum;
    return result;
}

/// Calibration of posteriors of z ~ N(0, I_3) seen as z + e, e ~ N(0, I): N(y/2, I/2), made wider by `factor`
/// and displaced by `shift`.
calibration judge(double factor, double shift) {
    constexpr index_t problems = 300, d = 3, n = 200;
    const auto truth = normals(d, problems, 1), noise = normals(d, problems, 2);
    calibration result;
    for (index_t p = 0; p < problems; ++p) {
        weighted_samples posterior{d, normals(d, n, 100 + static_cast<std::uint64_t>(p)),
                                   std::vector<double>(n, 1.0 / n)};
        std::vector<double> z;
        for (index_t i = 0; i < d; ++i) {
            const auto at = static_cast<std::size_t>(i + d * p);
            z.push_back(truth[at]);
            for (index_t j = 0; j < n; ++j) {
                double& x = posterior.values[static_cast<std::size_t>(i + d * j)];
                x = 0.5 * (truth[at] + noise[at]) + shift + factor * std::sqrt(0.5) * x;
            }
        }
        result.add(posterior, z);
    }
    CHECK(result.problems() == problems);
    return result;
}
bool within(const diamond::calibration_number& number, double expected) {
    return std::abs(number.value - expected) < 5.0 * number.standard_error;
}

} // namespace

TEST_CASE_TEMPLATE("samples come to the host with weights of sum 1", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    using real = typename Batch::value_type;
    const auto device = back_end::make();
    const auto x = diamond::from_host<real>(device, 2, 3, std::vector<real>{1, -1, 2, 0, 4, 7});
    const auto samples = diamond::samples_on_host(x, {1.0, 2.0, 1.0});
    CHECK(samples.weights == std::vector<double>{0.25, 0.5, 0.25});
    CHECK(samples.values == std::vector<double>{1, -1, 2, 0, 4, 7});
    CHECK(samples.effective() == doctest::Approx(1.0 / 0.375));
    const auto summary = diamond::summarise(samples);
    CHECK(summary.mean[0] == doctest::Approx(2.25));
    CHECK(summary.mean[1] == doctest::Approx(1.5));
    // sum w (x - mean)^2 = 1.1875 and 10.25
    CHECK(summary.deviation[0] == doctest::Approx(std::sqrt(1.1875 * 1.5)));
    CHECK(summary.deviation[1] == doctest::Approx(std::sqrt(10.25 * 1.5)));
    CHECK(diamond::samples_on_host(x).weights == std::vector<double>(3, 1.0 / 3.0));
}

TEST_CASE("quantiles lie between the middles of the weights") {
    const weighted_samples three{1, {4.0, 1.0, 2.0}, {0.25, 0.25, 0.5}}; // middles at 1/8, 1/2, 7/8
    CHECK(diamond::quantiles(three, 0.5)[0] == doctest::Approx(2.0));
    CHECK(diamond::quantiles(three, 0.125)[0] == doctest::Approx(1.0));
    CHECK(diamond::quantiles(three, 0.25)[0] == doctest::Approx(1.5)); // where one's weight ends
    CHECK(diamond::quantiles(three, 0.75)[0] == doctest::Approx(3.0));
    CHECK(diamond::quantiles(three, 0.3751)[0] == 2.0); // which outweighs its neighbours
    CHECK(diamond::quantiles(three, 0.6249)[0] == 2.0);
    CHECK(diamond::quantiles(three, 0.01)[0] == 1.0);
    CHECK(diamond::quantiles(three, 0.99)[0] == 4.0);
    // A sample without weight is not there.
    const weighted_samples with_none{1, {4.0, -100.0, 1.0, 2.0}, {0.25, 0.0, 0.25, 0.5}};
    CHECK(diamond::quantiles(with_none, 0.01)[0] == 1.0);

    // Neighbours of next to no weight count no more than those of none, and equal samples as one.
    const weighted_samples one{1, {0.0, 1.0, 2.0}, {1e-300, 1.0, 1e-300}};
    CHECK(diamond::intervals(one, 0.9).lower[0] == 1.0);
    CHECK(diamond::intervals(one, 0.9).upper[0] == 1.0);
    CHECK(diamond::quantiles({1, {0.0, 100.0, 101.0}, {0.96, 0.02, 0.02}}, 0.6)[0] == 0.0);
    CHECK(diamond::quantiles({1, {0.0, 0.0, 100.0, 101.0}, {0.48, 0.48, 0.02, 0.02}}, 0.6)[0] == 0.0);
    // Nor has a sample that takes nearly all of the weight the spread of the others.
    CHECK(diamond::summarise({1, {0.0, 3.0}, {1.0 - 1e-9, 1e-9}}).deviation[0] < 1e-3);

    // Of a Gaussian by weights: 20,000 draws of half the efficiency know a quantile to 0.02.
    const auto gaussian = weighted_gaussian(1.0, 0.5, 20000, 3);
    const auto interval = diamond::intervals(gaussian, 0.9);
    CHECK(std::abs(interval.lower[0] - (1.0 - 0.5 * 1.6448536)) < 0.03);
    CHECK(std::abs(interval.upper[0] - (1.0 + 0.5 * 1.6448536)) < 0.03);
    const auto summary = diamond::summarise(gaussian);
    CHECK(std::abs(summary.mean[0] - 1.0) < 0.02);
    CHECK(std::abs(summary.deviation[0] - 0.5) < 0.02);
}

TEST_CASE("the ranked probability score is the double sum, and that of a Gaussian") {
    const weighted_samples some{2, {0.3, 1.0, -0.7, 2.0, 1.1, 2.0, 0.0, -3.0}, {0.1, 0.4, 0.3, 0.2}};
    const std::vector<double> truth{0.2, 1.5};
    const auto found = diamond::ranked_probability_score(some, truth);
    for (index_t i = 0; i < 2; ++i) {
        double direct = 0.0;
        for (index_t j = 0; j < 4; ++j) {
            const double w = some.weights[static_cast<std::size_t>(j)];
            direct += w * std::abs(some(i, j) - truth[static_cast<std::size_t>(i)]);
            for (index_t k = 0; k < 4; ++k)
                direct -= 0.5 * w * some.weights[static_cast<std::size_t>(k)] *
                          std::abs(some(i, j) - some(i, k));
        }
        CHECK(found[static_cast<std::size_t>(i)] == doctest::Approx(direct).epsilon(1e-12));
    }
    const auto gaussian = weighted_gaussian(1.0, 0.5, 20000, 4);
    for (const double y : {-0.5, 0.9, 1.0, 2.3})
        CHECK(std::abs(diamond::ranked_probability_score(gaussian, {y})[0] - gaussian_crps(1.0, 0.5, y)) <
              0.01);
    // One sample scores its distance.
    CHECK(diamond::ranked_probability_score({1, {2.0}, {1.0}}, {0.5})[0] == doctest::Approx(1.5));
}

TEST_CASE("exact posteriors are calibrated, and others are not") {
    const calibration exact = judge(1.0, 0.0);
    CHECK(within(exact.coverage(), 0.9 * 200.0 / 201.0));
    CHECK(exact.coverage().standard_error < 0.015);
    CHECK(within(exact.spread_skill(), 1.0));
    CHECK(exact.spread_skill().standard_error < 0.04);
    CHECK(within(exact.error(), std::sqrt(0.5 * (1.0 + 1.0 / 200.0))));
    // The mean CRPS of a calibrated Gaussian is s/sqrt(pi); of 200 samples 1 + 1/200 times as much.
    CHECK(within(exact.crps(), std::sqrt(0.5 / 3.141592653589793) * (1.0 + 1.0 / 200.0)));

    const calibration narrow = judge(0.5, 0.0), wide = judge(2.0, 0.0), displaced = judge(1.0, 0.7);
    // P(|N(0, 1)| < 1.645/2) = 0.589, and of twice as wide a one 0.999
    CHECK(within(narrow.coverage(), 2.0 * probability(0.5 * 1.6448536) - 1.0));
    CHECK(narrow.coverage().value < 0.65);
    CHECK(within(narrow.spread_skill(), 0.5));
    CHECK(wide.coverage().value > 0.99);
    CHECK(wide.spread_skill().value > 1.8);
    CHECK(displaced.coverage().value < 0.85);
    CHECK(displaced.spread_skill().value < 0.9);
    for (const auto* wrong : {&narrow, &wide, &displaced})
        CHECK(wrong->crps().value > exact.crps().value + 3.0 * exact.crps().standard_error);
}

TEST_CASE("samples of equal weight are there as often as they weigh") {
    const weighted_samples some{1, {0.0, 1.0, 2.0, 3.0}, {0.125, 0.0, 0.5, 0.375}};
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        const auto chosen = diamond::draw_equal(some, 8, philox{seed});
        CHECK(chosen == std::vector<index_t>{0, 2, 2, 2, 2, 3, 3, 3});
    }
    // Five of them: 0 five eighths of the time.
    int zeros = 0;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const auto chosen = diamond::draw_equal(some, 5, philox{seed});
        CHECK(chosen.size() == 5);
        zeros += chosen.front() == 0 ? 1 : 0;
    }
    CHECK(std::abs(zeros - 250) < 50); // five standard deviations of 400 draws
}

TEST_CASE("what has no meaning is refused") {
    const auto refuses = [](const char* sentence, const auto& make) {
        CHECK_THROWS_WITH_AS(static_cast<void>(make()), doctest::Contains(sentence), std::invalid_argument);
    };
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto x = diamond::from_host<double>(context, 2, 2, std::vector<double>{1.0, 2.0, nan, 4.0});
    refuses("3 weights for 2 particles of dimension 2", [&] {
        return diamond::samples_on_host(x, {1.0, 1.0, 1.0});
    });
    refuses("weight 1 is -2", [&] { return diamond::samples_on_host(x, {1.0, -2.0}); });
    refuses("weight 0 is nan", [&] { return diamond::samples_on_host(x, {nan, 1.0}); });
    refuses("the weights have no sum", [&] { return diamond::samples_on_host(x, {0.0, 0.0}); });
    refuses("coordinate 0 of particle 1 is NaN", [&] { return diamond::samples_on_host(x, {1.0, 1.0}); });
    refuses("0 weights for 0 particles", [&] { return diamond::samples_on_host(batch(context, 2, 0)); });
    const auto without = diamond::samples_on_host(x, {1.0, 0.0}); // a particle that died
    CHECK(diamond::summarise(without).mean == std::vector<double>{1.0, 2.0});
    CHECK(std::isnan(diamond::summarise(without).deviation[0]));
    for (const double bad : {0.0, 1.0, nan}) {
        refuses("it lies between 0 and 1", [&] { return diamond::intervals(without, bad); });
        refuses("it lies between 0 and 1", [&] { return diamond::quantiles(without, bad); });
        refuses("it lies between 0 and 1", [&] { return calibration{{.level = bad}}; });
    }
    refuses("a truth of 1 numbers for samples of dimension 2",
            [&] { return diamond::ranked_probability_score(without, {1.0}); });
    refuses("all finite", [&] { return diamond::ranked_probability_score(without, {1.0, nan}); });
    calibration some;
    CHECK(std::isnan(some.coverage().value));
    some.add(without, {1.0, 2.0});
    CHECK(std::isnan(some.coverage().standard_error));
    refuses("a problem of dimension 1 after those of 2", [&] {
        some.add({1, {0.0}, {1.0}}, {0.0});
        return 0;
    });
    // Samples that were made by hand are looked at, too.
    refuses("the weights have the sum 3", [&] { return diamond::summarise({1, {0, 1, 2}, {1, 1, 1}}); });
    refuses("the weights have the sum nan", [&] { return diamond::quantiles({1, {0}, {nan}}, 0.5); });
    refuses("none is negative", [&] { return diamond::intervals({1, {0, 1}, {2, -1}}, 0.5); });
    refuses("0 numbers for 0 samples", [&] { return diamond::draw_equal({1, {}, {}}, 1, philox{1}); });
    refuses("1 numbers for 2 samples", [&] { return diamond::summarise({1, {0}, {0.5, 0.5}}); });
    refuses("coordinate 0 of particle 1 is NaN", [&] {
        return diamond::ranked_probability_score({1, {0, nan}, {0.5, 0.5}}, {0.0});
    });
    refuses("draw_equal of 0 samples", [&] { return diamond::draw_equal(without, 0, philox{1}); });
}

} // namespace calibration_calibration_test
