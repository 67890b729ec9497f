// moment_value: V of Gaussian data by its moments, its guidance, what it costs and refuses; Z-hat is unbiased
// by it where it is only a guess; and where r is peaked it is near where draws of exp r are far off.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/value/moment_value.hpp>
#include <diamond/value/posterior_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/small_matrix.hpp"
#include "support/statistics.hpp"

namespace value_moment_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;

namespace {

/// Correlated data in three dimensions, and a measurement of two correlated numbers of it.
const std::vector<double> mean{0.3, -0.2, 0.5}, covariance{1.0, 0.6, -0.2, 0.6, 0.8, 0.1, -0.2, 0.1, 0.5},
    weights{1.0, 0.5, 2.0, -1.0, 0.0, 0.7}, offset{0.1, -0.3}, seen{1.2, 0.4};
constexpr double deviation = 0.15;

template <class Batch>
auto data(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian<Batch, linear>(context, {}, mean, covariance);
}
template <class Batch>
auto observed(const diamond::backend_of_t<Batch>& context) {
    using real = typename Batch::value_type;
    const auto numbers = [](const std::vector<double>& from) {
        return std::vector<real>(from.begin(), from.end());
    };
    return diamond::gaussian_measurement_reward(
        context, diamond::affine_measurement<Batch>(context, numbers(weights), numbers(offset)),
        numbers(seen), deviation);
}
/// V_t(x) of that reward in closed form, and grad V by differences.
double exact_value(const std::vector<double>& x, double t) {
    const double sigma = 1.0 - t;
    const small::matrix a(2, 3, weights), c(3, 3, covariance), m(3, 1, mean);
    // z given x_t = t z + sigma eps: mean m + t C S^{-1} (x - t m), covariance C - t^2 C S^{-1} C.
    const small::matrix s = diamond::square(t) * c + small::matrix::identity(3, diamond::square(sigma));
    const small::matrix posterior_mean = m + t * (c * small::solve(s, small::matrix(3, 1, x) - t * m).x);
    const small::matrix posterior = c - diamond::square(t) * (c * small::solve(s, c).x);
    const small::matrix total = a * posterior * a.transposed() +
                                small::matrix::identity(2, diamond::square(deviation));
    const small::matrix miss = small::matrix(2, 1, seen) - small::matrix(2, 1, offset) - a * posterior_mean;
    const auto solved = small::solve(total, miss);
    double value = -0.5 * static_cast<double>(solved.log_determinant) + 2.0 * std::log(deviation);
    for (std::size_t i = 0; i < 2; ++i) value -= 0.5 * static_cast<double>(miss(i, 0) * solved.x(i, 0));
    return value;
}
template <class Batch, class Value>
std::vector<double> values(Value value, const diamond::backend_of_t<Batch>& context,
                           const std::vector<double>& x, double t) {
    const auto n = static_cast<index_t>(x.size()) / 3;
    const auto at = batches::make<Batch>(context, 3, n, x);
    diamond::rebind_t<Batch, double> out(context, 1, n);
    value(at.read(), t, {}, philox{3}.stream(purpose::value, 1), {.value = row(out)});
    return diamond::to_host(out);
}
/// n points about (0.4, -0.1, 0.7), the first of which it is.
std::vector<double> points(index_t n) {
    std::vector<double> x;
    for (index_t j = 0; j < n; ++j) {
        const double a = static_cast<double>(j);
        x.insert(x.end(),
                 {0.4 + 0.3 * std::sin(a), -0.1 + 0.2 * std::sin(2.3 * a), 0.7 - 0.2 * std::sin(3.1 * a)});
    }
    return x;
}
std::vector<double> point(const std::vector<double>& x, index_t j) {
    return {x.begin() + 3 * j, x.begin() + 3 * j + 3};
}

} // namespace

TEST_CASE_TEMPLATE("on Gaussian data pairs of draws give V itself", back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    // The mean of pairs is exact, and C, the same for all of a call, has 4,000 pairs: V errs with a standard
    // deviation of 0.015 at the first point by simulation, and where the residual is large by a share of it.
    // The bound is five of these and more; a C that is wrong by a third moves V by 0.25.
    constexpr index_t n = 2000;
    const auto x = points(n);
    for (const double t : {0.0, 0.3, 0.8}) {
        const auto found = values<batch>(diamond::moment_value{posterior, observed<batch>(context)}, context,
                                         x, t);
        double least = diamond::infinity, most = -diamond::infinity, largest = 0.0;
        for (const index_t j : {0, 1, 2, 3, 500, 1000, 1998, 1999}) {
            const double exact = exact_value(point(x, j), t);
            largest = std::max(largest, std::abs(found[static_cast<std::size_t>(j)] - exact) /
                                            (0.08 + 0.01 * std::abs(exact)));
            least = std::min(least, exact);
            most = std::max(most, exact);
        }
        CHECK(largest < 1.0);
        // Particles have values of their own, but at t = 0.
        CHECK((t == 0.0 ? most - least < 1e-12 : most - least > 0.05));
        // Independent draws know mu up to C/4, which a peaked r sees: V is too low by tr((C + s^2 I)^{-1}
        // C)/8, some 0.2 here, whose standard deviation over calls is below 0.03.
        const auto independent = values<batch>(
            diamond::moment_value{posterior, observed<batch>(context), {.samples = 4, .antithetic = false}},
            context, x, t);
        double bias = 0.0;
        for (index_t j = 0; j < n; ++j)
            bias += (independent[static_cast<std::size_t>(j)] - exact_value(point(x, j), t)) /
                    static_cast<double>(n);
        CHECK(bias < -0.1);
        CHECK(bias > -0.35);
    }
}

TEST_CASE("its guidance is b grad V; at t = 1 it is the reward, and spreads are NaN") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    constexpr double t = 0.6, step = 1e-4;
    constexpr int samples = 20'000;
    diamond::moment_value value{posterior, observed<batch>(context), {.samples = samples}};
    const auto host = points(3);
    const auto x = batches::make<batch>(context, 3, 3, host);
    batch out(context, 3, 3);
    value.guidance(x.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
    // b grad V = sigma (sigma alpha' - alpha sigma')/alpha grad V of the linear schedule: (1 - t)/t. Each
    // entry has a standard deviation below 0.006 by simulation, of which the bound is five.
    for (index_t j = 0; j < 3; ++j)
        for (std::size_t i = 0; i < 3; ++i) {
            std::vector<double> above = point(host, j), below = above;
            above[i] += step;
            below[i] -= step;
            const double slope = (exact_value(above, t) - exact_value(below, t)) / (2.0 * step);
            CHECK(std::abs(out.data()[3 * static_cast<std::size_t>(j) + i] - (1.0 - t) / t * slope) < 0.03);
        }
    CHECK(value.spent() == diamond::cost{.forward = 3 * samples, .reward = 3 * samples});

    diamond::rebind_t<batch, double> v(context, 1, 3), error(context, 1, 3), ess(context, 1, 3);
    const diamond::value_rows<diamond::eigen::context> all{
        .value = row(v), .standard_error = row(error), .ess = row(ess)};
    for (const double at : {0.5, 1.0}) {
        error.data()[0] = ess.data()[0] = 1.0;
        value(x.read(), at, {}, philox{3}.stream(purpose::value, 1), all);
        CHECK(std::isnan(error.data()[0]));
        CHECK(std::isnan(ess.data()[0]));
    }
    diamond::rebind_t<batch, double> reward(context, 1, 3);
    auto r = observed<batch>(context);
    r(x.read(), row(reward));
    CHECK(diamond::to_host(v) == diamond::to_host(reward));
    value.guidance(x.read(), 1.0, {}, {}, out.mutable_view()); // b(1) = 0
    CHECK(out.data()[0] == 0.0);
}

TEST_CASE("pairs whose draws are not affine in their noise tell their covariance all the same") {
    // Draws of a mixture choose their part anew: the mean of a pair is random. At t = 0 guidance is
    // Cov(z, h) (C + s^2)^{-1} (y - mu), of variance 1.1 and mean 0 on average 1.1/(1.1 + 9), for the law is
    // symmetric and the estimate of Cov has no part in that of mu. A covariance that took the pair's mean for
    // known would give 0.06.
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::gaussian_mixture<batch, linear> model(context, {}, {0.5, 0.5}, {-1.0, 1.0}, {0.1, 0.1});
    const diamond::gaussian_measurement_reward reward(
        context, diamond::mask_measurement<batch>(context, 1, {0}), std::vector<double>{1.0}, 3.0);
    constexpr index_t n = 20'000;
    const auto x = diamond::from_host<double>(context, 1, n,
                                              std::vector<double>(static_cast<std::size_t>(n), 0.0));
    batch out(context, 1, n);
    const auto mean_guidance = [&](auto value) {
        value.guidance(x.read(), 0.0, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        return statistics::average(diamond::to_host(out));
    };
    const diamond::exact_posterior draws{model};
    for (const bool pairs : {false, true})
        CHECK(statistics::within(
            mean_guidance(diamond::moment_value{draws, reward, {.samples = 4, .antithetic = pairs}}),
            1.1 / 10.1));
}

TEST_CASE("the same bits on any number of threads") {
    using batch = diamond::eigen::batch<float>;
    const auto by = [](int threads) {
        const auto context = back_ends::eigen<float>::make(threads);
        const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
        return values<batch>(diamond::moment_value{posterior, observed<batch>(context)}, context,
                             batches::host(batches::normal<batch>(context, 3, 3000, 5)), 0.5);
    };
    CHECK(by(1) == by(3));
}

TEST_CASE("Z-hat is unbiased by moment values of a mixture, of which they are no V") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::gaussian_mixture<batch, linear> model(context, {}, {0.7, 0.3}, {-1.0, 0.5, 1.5, -0.5},
                                                         {0.3, 0.1});
    const diamond::gaussian_measurement_reward reward(
        context, diamond::mask_measurement<batch>(context, 2, {0}), std::vector<double>{0.9}, 0.5);
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    diamond::smc sampler{diamond::ddpm_posterior_kernel{diamond::exact_posterior{model}},
                         diamond::moment_value{diamond::exact_posterior{model}, reward},
                         {.particles = 6, .steps = 3, .log_delta = -30.0}};
    // 20,000 runs: the mean is within 4.5 of its standard errors, which are below 1 %.
    std::vector<double> ratios;
    for (std::uint64_t k = 0; k < 20000; ++k)
        ratios.push_back(std::exp(sampler(context, philox{7}.split(k)).log_z - log_z));
    const auto average = statistics::average(ratios);
    MESSAGE("E[Z-hat]/Z = ", average.value, " +- ", average.standard_error);
    CHECK(std::abs(average.value - 1.0) < 4.5 * average.standard_error);
    CHECK(average.standard_error < 0.01);
}

TEST_CASE("a peaked measurement: runs by moments are near Z, runs by draws of exp r are nowhere near") {
    // N(0, I) in 16 dimensions, of which 8 are seen as 1 with s = 0.2: log Z = -16.9.
    using batch = diamond::eigen::batch<double>;
    constexpr index_t d = 16;
    const auto context = back_ends::eigen<double>::make(2);
    std::vector<double> identity(static_cast<std::size_t>(d * d), 0.0);
    for (std::size_t i = 0; i < static_cast<std::size_t>(d); ++i)
        identity[i + i * static_cast<std::size_t>(d)] = 1.0;
    const diamond::gaussian<batch, linear> model(
        context, {}, std::vector<double>(static_cast<std::size_t>(d), 0.0), identity);
    const diamond::gaussian_measurement_reward reward(
        context, diamond::mask_measurement<batch>(context, d, {0, 1, 2, 3, 4, 5, 6, 7}),
        std::vector<double>(8, 1.0), 0.2);
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    CHECK(log_z == doctest::Approx(8.0 * (-0.5 / 1.04 - 0.5 * std::log(1.04 / 0.04))));
    const diamond::gaussian_diamond_map map{model};
    const diamond::diamond_map_posterior posterior{map};
    const auto error = [&](const auto& value, double share = 0.05) { // root mean square over eight runs
        double sum = 0.0;
        for (std::uint64_t k = 0; k < 8; ++k) {
            diamond::smc sampler{diamond::early_stop_kernel{map},
                                 value,
                                 {.particles = 512, .steps = 8, .least_conditional_ess = share}};
            sum += diamond::square(sampler(context, philox{11}.split(k)).log_z - log_z);
        }
        return std::sqrt(sum / 8.0);
    };
    CHECK(error(diamond::moment_value{posterior, reward}) < 2.0);
    const diamond::posterior_value by_draws{posterior, reward, {.samples = 4}};
    CHECK(error(by_draws) > 4.0);
    CHECK(error(by_draws, 0.0) > 8.0); // where values count in full
}

TEST_CASE("what a moment value cannot take is refused") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    const auto with = [&](diamond::moment_value_options options) {
        static_cast<void>(diamond::moment_value{posterior, observed<batch>(context), options});
    };
    CHECK_THROWS_WITH_AS(with({.samples = 1, .antithetic = false}),
                         doctest::Contains("at least 2 are needed"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.samples = 2}), doctest::Contains("2 pairs"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.samples = 3}), doctest::Contains("even number"), std::invalid_argument);
    CHECK_NOTHROW(with({.samples = 3, .antithetic = false}));
    const diamond::gaussian_measurement_reward wide(
        context, diamond::mask_measurement<batch>(context, 4, {0}), std::vector<double>{0.9}, 0.5);
    CHECK_THROWS_WITH_AS(diamond::moment_value(posterior, wide), doctest::Contains("dimension 4"),
                         std::invalid_argument);
    // A state that is not finite has draws whose measurement is not: the particle is named.
    std::vector<double> x = points(5);
    x[3 * 2] = NAN;
    try {
        static_cast<void>(
            values<batch>(diamond::moment_value{posterior, observed<batch>(context)}, context, x, 0.5));
        CHECK(false);
    } catch (const diamond::numeric_error& error) {
        CHECK(error.particle() == 2);
        CHECK(error.step() == 1);
    }
}

} // namespace value_moment_test
