// The mathematics of bits per dimension in the studies: comparisons image by image, log-densities by many
// steps against exact ones, and the bound on the bits of grey levels.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>
#include <mnist/level_code.hpp>
#include <mnist/many_steps.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/density/bits_per_dimension.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/linear.hpp>

#include <shared/comparison.hpp>

namespace studies_mnist_likelihood_test {

namespace {

using diamond::index_t;
using context = diamond::eigen::context;
using batch = diamond::eigen::batch<double>;
constexpr double h = 0.05;

std::vector<double> normals(std::uint64_t seed, std::size_t count, double deviation = 1.0) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<double> law(0.0, deviation);
    std::vector<double> result(count);
    for (double& x : result) x = law(engine);
    return result;
}

/// A law of points in four dimensions with noise h, which knows its density, and draws of it.
struct points_law {
    static constexpr index_t d = 4;

    context where{.threads = 1};
    diamond::gaussian_mixture<batch, diamond::linear_schedule> exact;
    batch x;
    std::vector<double> truth;

    explicit points_law(index_t count) : exact(made(where)), x(where, d, count) {
        const auto noise = normals(7, static_cast<std::size_t>(d * count), h);
        for (index_t e = 0; e < x.size(); ++e)
            x.data()[e] = point(e % d, (e / d) % 6) + noise[static_cast<std::size_t>(e)];
        truth.resize(static_cast<std::size_t>(count));
        auto space = exact.make_workspace(where, count);
        exact.log_density(x.read(), 1.0, {}, space, diamond::row(where, count, truth.data()));
    }
    static double point(index_t i, index_t k) { return std::sin(3.0 * static_cast<double>(i + 5 * k)); }
    static diamond::gaussian_mixture<batch, diamond::linear_schedule> made(const context& where) {
        std::vector<double> all;
        for (index_t k = 0; k < 6; ++k)
            for (index_t i = 0; i < d; ++i) all.push_back(point(i, k));
        const auto points = diamond::from_host<double>(where, d, 6, all);
        return diamond::data_mixture(where, diamond::linear_schedule{}, points.read(), h);
    }
};

struct many_results {
    std::vector<double> log_p, error;
};
template <class Divergence>
many_results by_many_steps(const points_law& law, Divergence divergence,
                           const mnist::many_steps_options& options, std::uint64_t seed = 1) {
    mnist::many_steps likelihood{std::move(divergence), options};
    const index_t n = law.x.columns();
    many_results result{std::vector<double>(static_cast<std::size_t>(n)),
                        std::vector<double>(static_cast<std::size_t>(n))};
    likelihood(law.x.read(), diamond::philox{seed}, diamond::row(law.where, n, result.log_p.data()),
               diamond::row(law.where, n, result.error.data()));
    return result;
}
double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
    double result = 0.0;
    for (std::size_t j = 0; j < a.size(); ++j) result = std::max(result, std::abs(a[j] - b[j]));
    return result;
}

} // namespace

TEST_CASE("studies: comparisons image by image, against their definitions") {
    const std::vector<double> reference{1.0, 2.0, 4.0}, values{2.0, 1.0, 6.0};
    const auto told = studies::compare(values, reference);
    CHECK(std::abs(told.mean - 3.0) < 1e-14);
    CHECK(std::abs(told.standard_error - std::sqrt(14.0 / 2.0 / 3.0)) < 1e-14);
    CHECK(std::abs(told.difference - 2.0 / 3.0) < 1e-14);
    // Differences 1, -1 and 2: their variance is 7/3.
    CHECK(std::abs(told.difference_error - std::sqrt(7.0 / 3.0 / 3.0)) < 1e-14);
    CHECK(std::abs(told.root_mean_square - std::sqrt(2.0)) < 1e-14);
    CHECK(std::abs(told.correlation - 7.0 / std::sqrt(14.0 * 14.0 / 3.0)) < 1e-14);
    CHECK(std::isnan(studies::compare(std::vector{1.0}, std::vector{2.0}).difference_error));
    CHECK_THROWS_AS(studies::compare(values, std::vector{1.0}), std::invalid_argument);
}

TEST_CASE("studies: the error of a difference is that of pairs, and unrelated numbers do not correlate") {
    constexpr std::size_t n = 4000;
    const auto images = normals(1, n), small = normals(2, n, 0.1), unrelated = normals(3, n);
    std::vector<double> near(n);
    for (std::size_t j = 0; j < n; ++j) near[j] = images[j] + 0.5 + small[j];
    const auto told = studies::compare(near, images);
    CHECK(std::abs(told.difference - 0.5) < 4.0 * told.difference_error);
    CHECK(std::abs(told.difference_error * std::sqrt(n) - 0.1) < 0.01);
    CHECK(std::abs(told.correlation - 1.0 / std::sqrt(1.01)) < 0.002);
    const auto control = studies::compare(unrelated, images);
    CHECK(std::abs(control.correlation) < 4.0 / std::sqrt(n));
    CHECK(std::abs(control.difference_error * std::sqrt(n) - std::sqrt(2.0)) < 0.1);
}

TEST_CASE("mnist: nodes of Gauss and Legendre are exact up to their degree and not beyond") {
    for (const index_t n : {1, 2, 5, 12}) {
        const auto nodes = mnist::gauss_legendre(n, 2.0);
        const auto error = [&](double power) {
            double sum = 0.0;
            for (const auto& node : nodes) sum += node.weight * std::pow(node.at - 1.0, power);
            const double even = std::fmod(power, 2.0) == 0.0 ? 2.0 / (power + 1.0) : 0.0;
            return std::abs(sum - even);
        };
        for (index_t power = 0; power < 2 * n; ++power) CHECK(error(static_cast<double>(power)) < 1e-13);
        CHECK(error(2.0 * static_cast<double>(n)) > 1e-8);
        CHECK(std::ranges::is_sorted(nodes, {}, &mnist::quadrature_node::at));
    }
}

TEST_CASE("mnist: few nodes integrate the divergence of a narrow Gaussian's path, equal steps do not") {
    // The deviation of the path to N(0, h^2) goes from 1 to h.
    const auto rate = [](double t) {
        return (t * h * h - (1.0 - t)) / (t * t * h * h + (1.0 - t) * (1.0 - t));
    };
    const auto error = [&](const std::vector<mnist::quadrature_node>& nodes) {
        double sum = 0.0;
        for (const auto& node : nodes) sum += node.weight * rate(node.at);
        return std::abs(sum - std::log(h));
    };
    CHECK(error(mnist::divergence_nodes(8, h)) < 1e-3);
    CHECK(error(mnist::divergence_nodes(12, h)) < 1e-5);
    CHECK(error(mnist::gauss_legendre(8, 1.0)) > 0.01);
}

TEST_CASE("mnist: log-densities by many steps are those of an exact law") {
    const points_law law(24);
    const diamond::exact_divergence exact{law.exact};
    const auto fine = by_many_steps(law, exact, {.nodes = 48, .steps = 2, .noise = h});
    CHECK(largest_difference(fine.log_p, law.truth) < 1e-3);
    CHECK(std::ranges::all_of(fine.error, [](double e) { return e == 0.0; }));
    // That half the nodes say nearly the same is what tells that there are enough.
    const auto enough = by_many_steps(law, exact, {.nodes = 16, .steps = 2, .noise = h}),
               few = by_many_steps(law, exact, {.nodes = 8, .steps = 2, .noise = h});
    CHECK(largest_difference(enough.log_p, law.truth) < 0.2);
    CHECK(largest_difference(few.log_p, law.truth) > 0.5);
    CHECK(largest_difference(few.log_p, enough.log_p) > 3.0 * largest_difference(enough.log_p, law.truth));
}

TEST_CASE("mnist: the errors that probes state are those that they have") {
    const points_law law(48);
    const diamond::hutchinson_divergence probed{law.exact, {.probes = 8}};
    const mnist::many_steps_options options{.nodes = 16, .steps = 2, .noise = h};
    const auto reference = by_many_steps(law, diamond::exact_divergence{law.exact}, options);
    double squares = 0.0, stated = 0.0, mean = 0.0;
    constexpr int runs = 8;
    for (std::uint64_t seed = 0; seed < runs; ++seed) {
        const auto found = by_many_steps(law, probed, options, seed);
        for (std::size_t j = 0; j < found.log_p.size(); ++j) {
            const double off = found.log_p[j] - reference.log_p[j];
            mean += off;
            squares += off * off;
            stated += found.error[j] * found.error[j];
        }
    }
    CHECK(stated > 0.0);
    CHECK(std::abs(squares / stated - 1.0) < 0.35);
    CHECK(std::abs(mean) < 4.0 * std::sqrt(stated));
}

TEST_CASE("mnist: the noise alone has the bits that its draws say") {
    const auto draws = normals(5, 20'000, h);
    double bits = 0.0;
    for (const double x : draws)
        bits += diamond::bits_per_dimension(-0.5 * x * x / h / h -
                                                std::log(h * std::sqrt(2.0 * std::numbers::pi)),
                                            1, mnist::levels) /
                static_cast<double>(draws.size());
    CHECK(std::abs(bits - mnist::bits_of_noise(h)) < 4.0 * std::sqrt(0.5 / 20'000.0) / std::numbers::ln2);
}

TEST_CASE("mnist: the bound of levels is their own code where the density is that of the pixels") {
    // Four images of two levels a pixel, of which some pixels have one only.
    mnist::images few;
    for (index_t j = 0; j < 4; ++j) {
        few.labels.push_back(0);
        for (index_t i = 0; i < mnist::pixels; ++i)
            few.grey.push_back(static_cast<std::uint8_t>(i % 2 == 0 || j < 2 ? 0 : 200));
    }
    const mnist::level_code code(few, h);
    double sum = 0.0, integral = 0.0;
    for (int k = 0; k < mnist::levels; ++k) sum += code.frequency(1, k);
    CHECK(std::abs(sum - 1.0) < 1e-12);
    for (double y = -1.6; y < 1.6; y += 1e-3) integral += 1e-3 * std::exp2(code.log2_marginal(1, y));
    CHECK(std::abs(integral - 1.0) < 1e-6);

    const auto y = mnist::made_images(few, 0, 4, {}, diamond::philox{1});
    const auto noise = normals(6, y.size(), h);
    double own = 0.0, by_pixels = 0.0, by_uniform = 0.0;
    for (index_t j = 0; j < 4; ++j) {
        mnist::floats noisy(y.begin() + j * mnist::pixels, y.begin() + (j + 1) * mnist::pixels);
        double log2_p = 0.0;
        for (index_t i = 0; i < mnist::pixels; ++i) {
            auto& pixel = noisy[static_cast<std::size_t>(i)];
            pixel += static_cast<float>(noise[static_cast<std::size_t>(i + j * mnist::pixels)]);
            log2_p += code.log2_marginal(i, static_cast<double>(pixel)) / mnist::pixels;
            own -= std::log2(code.frequency(i, few.image(j)[i])) / mnist::pixels / 4.0;
        }
        const double added = code(few.image(j), noisy.data());
        by_pixels += (added - log2_p) / 4.0;
        by_uniform += (added + std::log2(3.2)) / 4.0; // a uniform density over [-1.6, 1.6]
    }
    CHECK(std::abs(by_pixels - own) < 1e-9);
    CHECK(by_uniform > own + 1.0);
}

} // namespace studies_mnist_likelihood_test
