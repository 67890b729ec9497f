// cumulant_value: V of Gaussian data by its cumulants, unbiased for V and not for exp V; how few draws know
// the variance; its guidance; Z-hat is unbiased by it where it is only a guess; what it costs and refuses.
// And denoised_cumulant_value, the same by the denoiser.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/value/cumulant_value.hpp>
#include <diamond/value/denoised_cumulant_value.hpp>
#include <diamond/value/posterior_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/small_matrix.hpp"
#include "support/statistics.hpp"

namespace value_cumulant_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;

namespace {

/// Correlated data in three dimensions, and a linear reward.
const std::vector<double> mean{0.3, -0.2, 0.5}, covariance{1.0, 0.6, -0.2, 0.6, 0.8, 0.1, -0.2, 0.1, 0.5},
    slope{1.0, -0.5, 2.0};
constexpr double offset = 0.25;

template <class Batch>
auto data(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian<Batch, linear>(context, {}, mean, covariance);
}
template <class Batch>
auto reward_of(const diamond::backend_of_t<Batch>& context) {
    using real = typename Batch::value_type;
    return diamond::linear_reward(context, std::vector<real>(slope.begin(), slope.end()), offset);
}
/// Mean and covariance of z given x_t = t z + sigma eps: m + t C S^{-1} (x - t m), C - t^2 C S^{-1} C.
struct posterior_moments {
    small::matrix mean, covariance;
};
posterior_moments moments(const std::vector<double>& x, double t) {
    const small::matrix c(3, 3, covariance), m(3, 1, mean);
    const small::matrix s = diamond::square(t) * c + small::matrix::identity(3, diamond::square(1.0 - t));
    return {m + t * (c * small::solve(s, small::matrix(3, 1, x) - t * m).x),
            c - diamond::square(t) * (c * small::solve(s, c).x)};
}
struct exact {
    double value, variance; ///< V_t(x), and the variance of r given x
};
exact exact_value(const std::vector<double>& x, double t) {
    const auto of = moments(x, t);
    exact result{offset, 0.0};
    for (std::size_t i = 0; i < 3; ++i) {
        result.value += slope[i] * static_cast<double>(of.mean(i, 0));
        for (std::size_t k = 0; k < 3; ++k)
            result.variance += slope[i] * slope[k] * static_cast<double>(of.covariance(i, k));
    }
    result.value += 0.5 * result.variance;
    return result;
}
template <class Batch, class Value>
std::vector<double> values(Value&& value, const diamond::backend_of_t<Batch>& context, index_t d,
                           const std::vector<double>& x, double t) {
    const auto n = static_cast<index_t>(x.size()) / d;
    const auto at = batches::make<Batch>(context, d, n, x);
    diamond::rebind_t<Batch, double> out(context, 1, n);
    value(at.read(), t, {}, philox{3}.stream(purpose::value, 1), {.value = row(out)});
    return diamond::to_host(out);
}
std::vector<double> point(double a) {
    return {0.4 + 0.3 * std::sin(a), -0.1 + 0.2 * std::sin(2.3 * a), 0.7 - 0.2 * std::sin(3.1 * a)};
}
std::vector<double> points(index_t n) {
    std::vector<double> x;
    for (index_t j = 0; j < n; ++j) {
        const auto each = point(static_cast<double>(j));
        x.insert(x.end(), each.begin(), each.end());
    }
    return x;
}
double mean_square(const std::vector<double>& found, const std::vector<double>& truth) {
    double sum = 0.0;
    for (std::size_t j = 0; j < found.size(); ++j) sum += diamond::square(found[j] - truth[j]);
    return sum / static_cast<double>(found.size());
}

} // namespace

TEST_CASE_TEMPLATE("on Gaussian data pairs of draws give V itself", back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    // The mean of pairs is exact, and the variance, pooled, is that of 4,000 pairs: V errs by var/2 times
    // sqrt(2/4000) = 1.1 % of var, of which the bound is five. Half of var missing would be nine times that.
    constexpr index_t n = 2000;
    const auto x = points(n);
    for (const double t : {0.0, 0.3, 0.8}) {
        const auto pooled = values<batch>(
            diamond::cumulant_value{posterior, reward_of<batch>(context), {}, diamond::pooled_variance{}},
            context, 3, x, t);
        const auto shrunk = values<batch>(diamond::cumulant_value{posterior, reward_of<batch>(context)},
                                          context, 3, x, t);
        double largest = 0.0, of_shrunk = 0.0, variance = 0.0;
        for (index_t j = 0; j < n; ++j) {
            const auto truth = exact_value(point(static_cast<double>(j)), t);
            variance = truth.variance;
            largest = std::max(largest, std::abs(pooled[static_cast<std::size_t>(j)] - truth.value));
            of_shrunk += diamond::square(shrunk[static_cast<std::size_t>(j)] - truth.value) /
                         static_cast<double>(n);
        }
        CHECK(largest < 0.056 * variance + 1e-4);
        // Own variances of two pairs would have errors of var/2; all but a tenth of that is taken away.
        CHECK(std::sqrt(of_shrunk) < 0.1 * variance + 1e-4);
    }
    const std::vector<double> last = values<batch>(
        diamond::cumulant_value{posterior, reward_of<batch>(context)}, context, 3, points(3), 1.0);
    for (std::size_t j = 0; j < 3; ++j) { // at t = 1 it is r
        const auto at = point(static_cast<double>(j));
        CHECK(std::abs(last[j] - (offset + at[0] - 0.5 * at[1] + 2.0 * at[2])) < 1e-5);
    }
}

TEST_CASE("own variances: V is unbiased, exp V is too large by a known factor, and pairs spare the mean") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    constexpr index_t n = 50'000;
    constexpr double t = 0.6;
    std::vector<double> x;
    for (index_t j = 0; j < n; ++j) {
        const auto each = point(0.0);
        x.insert(x.end(), each.begin(), each.end());
    }
    const auto truth = exact_value(point(0.0), t);
    const double v = truth.variance;
    for (const bool pairs : {false, true})
        for (const index_t samples : {8, 16}) {
            CAPTURE(pairs);
            CAPTURE(samples);
            const auto found = values<batch>(
                diamond::cumulant_value{posterior,
                                        reward_of<batch>(context),
                                        {.samples = samples, .antithetic = pairs},
                                        diamond::own_variance{}},
                context, 3, x, t);
            // The mean has variance v/M, or 0 of pairs; the estimate of v, of k degrees of freedom, 2 v^2/k.
            const double m = static_cast<double>(samples), k = pairs ? 0.5 * m : m - 1.0,
                         of_mean = pairs ? 0.0 : v / m;
            CHECK(statistics::within(statistics::average(found), truth.value));
            CHECK(mean_square(found, std::vector<double>(found.size(), truth.value)) ==
                  doctest::Approx(of_mean + 0.5 * v * v / k).epsilon(0.05));
            std::vector<double> exponentials;
            for (const double each : found) exponentials.push_back(std::exp(each - truth.value));
            const double factor = std::exp(0.5 * of_mean - 0.5 * v) * std::pow(1.0 - v / k, -0.5 * k);
            CHECK(factor > 1.02);
            CHECK(statistics::within(statistics::average(exponentials), factor));
        }
}

TEST_CASE("shrunk variances err less than own and than pooled ones where the spreads differ") {
    // Two parts far apart, of variances 0.04 and 4: each particle knows its part, and r = 3 z is Gaussian
    // given x, of variance 0.35 or 7.2.
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    constexpr double t = 0.5, sigma = 1.0 - t, variances[] = {0.04, 4.0};
    const diamond::gaussian_mixture<batch, linear> model(context, {}, {0.5, 0.5}, {-20.0, 20.0},
                                                         {variances[0], variances[1]});
    const diamond::linear_reward<batch> reward(context, std::vector<double>{3.0});
    constexpr index_t n = 4000;
    std::vector<double> x, truth;
    for (index_t j = 0; j < n; ++j) {
        const bool second = j % 2 == 1;
        const double v = variances[second ? 1 : 0], m = second ? 20.0 : -20.0, at = t * m + 0.3 * std::sin(j);
        const double total = t * t * v + sigma * sigma;
        x.push_back(at);
        truth.push_back(3.0 * (m + t * v / total * (at - t * m)) + 4.5 * v * sigma * sigma / total);
    }
    const auto error = [&](auto variance) {
        return mean_square(
            values<batch>(
                diamond::cumulant_value{diamond::exact_posterior{model}, reward, {.samples = 4}, variance},
                context, 1, x, t),
            truth);
    };
    const double own = error(diamond::own_variance{}), pooled = error(diamond::pooled_variance{}),
                 shrunk = error(diamond::shrunk_variance{});
    MESSAGE("mean square errors: own ", own, ", pooled ", pooled, ", shrunk ", shrunk);
    CHECK(shrunk < 0.9 * own);
    CHECK(shrunk < 0.9 * pooled);
}

TEST_CASE("guidance is b times the covariance of z and r; it is unbiased for few draws") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    constexpr double t = 0.6, step = 1e-4;
    constexpr index_t n = 20'000;
    const auto host = point(0.0);
    std::vector<double> x;
    for (index_t j = 0; j < n; ++j) x.insert(x.end(), host.begin(), host.end());
    const auto at = batches::make<batch>(context, 3, n, x);
    batch out(context, 3, n);
    for (const bool pairs : {false, true}) {
        diamond::cumulant_value value{
            posterior, reward_of<batch>(context), {.samples = 4, .antithetic = pairs}};
        value.guidance(at.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        CHECK(value.spent() == diamond::cost{.forward = 4 * n, .reward = 4 * n});
        const auto found = diamond::to_host(out);
        for (std::size_t i = 0; i < 3; ++i) {
            std::vector<double> above = host, below = host;
            above[i] += step;
            below[i] -= step;
            const double grad = (exact_value(above, t).value - exact_value(below, t).value) / (2.0 * step);
            const auto average = statistics::average(
                n, [&](index_t j) { return found[3 * static_cast<std::size_t>(j) + i]; });
            // b = (1 - t)/t of the linear schedule.
            CHECK(statistics::within(average, (1.0 - t) / t * grad));
            CHECK(std::abs(grad) > 20.0 * average.standard_error);
        }
    }
    diamond::cumulant_value value{posterior, reward_of<batch>(context)};
    diamond::rebind_t<batch, double> v(context, 1, n), error(context, 1, n);
    value(at.read(), 0.5, {}, philox{3}.stream(purpose::value, 1),
          {.value = row(v), .standard_error = row(error)});
    CHECK(std::isnan(error.data()[0]));
    value.guidance(at.read(), 1.0, {}, {}, out.mutable_view()); // b(1) = 0
    CHECK(out.data()[0] == 0.0);
    CHECK(!value.fresh());
    CHECK(diamond::cumulant_value{posterior, reward_of<batch>(context), {}, diamond::own_variance{}}.fresh());
}

TEST_CASE("the same bits on any number of threads") {
    using batch = diamond::eigen::batch<float>;
    const auto by = [](int threads) {
        const auto context = back_ends::eigen<float>::make(threads);
        const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
        return values<batch>(diamond::cumulant_value{posterior, reward_of<batch>(context)}, context, 3,
                             batches::host(batches::normal<batch>(context, 3, 3000, 5)), 0.5);
    };
    CHECK(by(1) == by(3));
}

TEST_CASE("Z-hat is unbiased by cumulants of a mixture, of which they are no V") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::gaussian_mixture<batch, linear> model(context, {}, {0.7, 0.3}, {-1.0, 0.5, 1.5, -0.5},
                                                         {0.3, 0.1});
    const diamond::linear_reward<batch> reward(context, std::vector<double>{1.2, 0.4});
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    diamond::smc sampler{diamond::ddpm_posterior_kernel{diamond::exact_posterior{model}},
                         diamond::cumulant_value{diamond::exact_posterior{model}, reward},
                         {.particles = 6, .steps = 3, .log_delta = -30.0}};
    std::vector<double> ratios;
    for (std::uint64_t k = 0; k < 10'000; ++k)
        ratios.push_back(std::exp(sampler(context, philox{7}.split(k)).log_z - log_z));
    const auto average = statistics::average(ratios);
    MESSAGE("E[Z-hat]/Z = ", average.value, " +- ", average.standard_error);
    CHECK(std::abs(average.value - 1.0) < 4.5 * average.standard_error);
    CHECK(average.standard_error < 0.01);
}

TEST_CASE("a steep linear reward: runs by cumulants are nearer Z than runs by draws of exp r") {
    // N(0, I) in 8 dimensions, r = a . z, |a|^2 = 18: log Z = 9, and r has a spread of 4.2 nats.
    using batch = diamond::eigen::batch<double>;
    constexpr std::size_t d = 8;
    const auto context = back_ends::eigen<double>::make(2);
    std::vector<double> identity(d * d, 0.0);
    for (std::size_t i = 0; i < d; ++i) identity[i + i * d] = 1.0;
    const diamond::gaussian<batch, linear> model(context, {}, std::vector<double>(d, 0.0), identity);
    const diamond::linear_reward<batch> reward(context, std::vector<double>(d, 1.5));
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    CHECK(log_z == doctest::Approx(9.0));
    const diamond::gaussian_diamond_map map{model};
    const diamond::diamond_map_posterior posterior{map};
    const auto error = [&](const auto& value) { // root mean square over 16 runs
        double sum = 0.0;
        for (std::uint64_t k = 0; k < 16; ++k) {
            diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 256, .steps = 32}};
            sum += diamond::square(sampler(context, philox{11}.split(k)).log_z - log_z);
        }
        return std::sqrt(sum / 16.0);
    };
    const double by_cumulants = error(diamond::cumulant_value{posterior, reward}),
                 by_draws = error(diamond::posterior_value{posterior, reward, {.samples = 4}}),
                 by_exact = error(diamond::exact_value{model, reward});
    MESSAGE("errors of log Z: ", by_cumulants, " by cumulants, ", by_draws, " by draws, ", by_exact,
            " by the exact value");
    CHECK(by_cumulants < 0.5 * by_draws);
    CHECK(by_cumulants < 1.5 * by_exact);
}

TEST_CASE("what a cumulant value cannot take is refused") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const diamond::diamond_map_posterior posterior{diamond::gaussian_diamond_map{data<batch>(context)}};
    const auto with = [&](diamond::cumulant_value_options options) {
        static_cast<void>(diamond::cumulant_value{posterior, reward_of<batch>(context), options});
    };
    CHECK_THROWS_WITH_AS(with({.samples = 1, .antithetic = false}),
                         doctest::Contains("at least 2 are needed"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.samples = 2}), doctest::Contains("2 pairs"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.samples = 3}), doctest::Contains("even number"), std::invalid_argument);
    CHECK_NOTHROW(with({.samples = 3, .antithetic = false}));
    // A reward that forbids draws has no cumulants.
    const auto forbids = [](diamond::column_view<const double> z) {
        return z[0] < 50.0 ? z[0] : -diamond::infinity;
    };
    std::vector<double> x = points(5);
    x[3 * 2] = 1000.0;
    try {
        static_cast<void>(values<batch>(diamond::cumulant_value{posterior, forbids}, context, 3, x, 0.5));
        CHECK(false);
    } catch (const diamond::numeric_error& error) {
        CHECK(std::string(error.what()).find("has no cumulants") != std::string::npos);
        CHECK(error.particle() == 2);
        CHECK(error.step() == 1);
    }
}

TEST_CASE_TEMPLATE("by the denoiser: V of isotropic Gaussian data and a linear reward, and its guidance",
                   back, TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    constexpr double v = 0.7;
    const diamond::gaussian<batch, linear> model(context, {}, mean, {v, 0.0, 0.0, 0.0, v, 0.0, 0.0, 0.0, v});
    diamond::denoised_cumulant_value value{linear{}, model, reward_of<batch>(context), {.variance = v}};
    const double rounding = std::is_same_v<typename batch::value_type, float> ? 2e-5 : 1e-11;
    const auto x = points(3);
    const auto at = batches::make<batch>(context, 3, 3, x);
    batch out(context, 3, 3);
    for (const double t : {0.0, 0.3, 0.8, 1.0}) {
        const auto found = values<batch>(value, context, 3, x, t);
        const double total = t * t * v + (1.0 - t) * (1.0 - t), c = v * (1.0 - t) * (1.0 - t) / total;
        for (std::size_t j = 0; j < 3; ++j) {
            double truth = offset;
            for (std::size_t i = 0; i < 3; ++i) {
                const double denoised = mean[i] + t * v / total * (x[3 * j + i] - t * mean[i]);
                truth += slope[i] * denoised + 0.5 * c * diamond::square(slope[i]);
            }
            CHECK(std::abs(found[j] - truth) < rounding * (1.0 + std::abs(truth)));
        }
        if (t == 0.0) continue;
        // b dD/dx a = (1 - t)/t t v/total a
        value.guidance(at.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        const auto guided = diamond::to_host(out);
        for (std::size_t i = 0; i < 9; ++i)
            CHECK(std::abs(guided[i] - (1.0 - t) * v / total * slope[i % 3]) < rounding);
    }
    CHECK(value.spent() == diamond::cost{.forward = 15, .reward = 12});
    CHECK_THROWS_WITH_AS(value.guidance(at.read(), 0.0, {}, {}, out.mutable_view()),
                         doctest::Contains("begins after t = 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        diamond::denoised_cumulant_value(linear{}, model, reward_of<batch>(context), {.variance = 0.0}),
        doctest::Contains("positive and finite"), std::invalid_argument);
}

} // namespace value_cumulant_test
