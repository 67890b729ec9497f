// curvature_damping: pathwise guidance by few draws, and by the denoised state, is b grad V of a concave
// reward, where without it the pull is too strong; and what is drawn by it has the tilted law.
#include <cmath>
#include <stdexcept>
#include <vector>

#include <diamond/align/guidance.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/reward/quadratic_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace value_damping_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;
using options = diamond::posterior_value_options;

namespace {

constexpr double v = 0.7, q = 6.0, t = 0.6, sigma = 1.0 - t;
constexpr double mean[] = {0.3, -0.2}, centre[] = {1.5, 0.0};
template <class Batch>
auto data(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian<Batch, linear>(context, {}, {mean[0], mean[1]}, {v, 0.0, 0.0, v});
}
/// It pulls the first coordinate alone.
template <class Batch>
auto reward_of(const diamond::backend_of_t<Batch>& context) {
    using real = typename Batch::value_type;
    return diamond::quadratic_reward<Batch>(context, std::vector<real>{real(centre[0]), real(centre[1])},
                                            std::vector<real>{real(q), real(0)});
}
constexpr double c = v * sigma * sigma / (t * t * v + sigma * sigma); // of the posterior
constexpr double x[] = {0.5, -0.4};
/// b dV/dx_0 of V = -q (D - y)^2/(2 (1 + c q)) + const, b = (1 - t)/t.
double exact() {
    const double total = t * t * v + sigma * sigma, denoised = mean[0] + t * v / total * (x[0] - t * mean[0]);
    return -sigma / t * q * (denoised - centre[0]) / (1.0 + c * q) * t * v / total;
}

} // namespace

TEST_CASE_TEMPLATE("by any number of draws the mean of damped guidance is b grad V", back, TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const diamond::diamond_map_posterior draws{diamond::gaussian_diamond_map{data<batch>(context)}};
    constexpr index_t n = 40'000;
    const auto at = batches::repeat<batch>(context, n, {x[0], x[1]});
    batch out(context, 2, n);
    const auto mean_of = [&](auto value, index_t i) {
        value.guidance(at.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        const auto found = diamond::to_host(out);
        return statistics::average(
            n, [&](index_t j) { return static_cast<double>(found[static_cast<std::size_t>(2 * j + i)]); });
    };
    const auto reward = reward_of<batch>(context);
    for (const auto& each :
         {options{.samples = 1}, options{.samples = 2}, options{.samples = 5},
          options{.samples = 2, .antithetic = true}, options{.samples = 4, .antithetic = true}}) {
        CAPTURE(each.samples);
        CAPTURE(each.antithetic);
        const diamond::curvature_damping damping{.curvature = q, .variance = v};
        const auto damped = mean_of(diamond::pathwise_posterior_value{draws, reward, each, damping}, 0);
        CHECK(statistics::within(damped, exact(), 4.5, 1e-5));
        CHECK(std::abs(exact()) > 20.0 * damped.standard_error);
        CHECK(statistics::within(mean_of(diamond::pathwise_posterior_value{draws, reward, each, damping}, 1),
                                 0.0, 4.5, 1e-5));
        // Without it the pull is too strong, and with the factor of one draw for more of them too weak.
        CHECK(mean_of(diamond::pathwise_posterior_value{draws, reward, each}, 0).value > 1.1 * exact());
        if (each.samples > 2)
            CHECK(mean_of(diamond::pathwise_posterior_value{draws, reward, each}, 0).value / (1.0 + q * c) <
                  0.9 * exact());
    }
    const diamond::curvature_damping none{.curvature = 0.0};
    CHECK(mean_of(diamond::pathwise_posterior_value{draws, reward, {.samples = 2}, none}, 0).value ==
          mean_of(diamond::pathwise_posterior_value{draws, reward, {.samples = 2}}, 0).value);
    // By the denoised state without noise.
    const diamond::curvature_damping damping{.curvature = q, .variance = v};
    const auto point = mean_of(diamond::denoised_value{linear{}, data<batch>(context), reward, damping}, 0);
    CHECK(std::abs(point.value / exact() - 1.0) < 1e-5);
    CHECK(mean_of(diamond::denoised_value{linear{}, data<batch>(context), reward}, 0).value > 1.5 * exact());
}

TEST_CASE("guidance by one damped draw reaches the tilted law, and without damping goes too far") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const auto model = data<batch>(context);
    const diamond::diamond_map_posterior draws{diamond::gaussian_diamond_map{model}};
    const auto reward = reward_of<batch>(context);
    constexpr index_t n = 4000;
    const auto moments = [&](auto value) {
        diamond::guidance guided{model, value, {.particles = n, .steps = 64}};
        const auto z = statistics::samples(guided(context, philox{1}).particles);
        return statistics::mean(z, 0);
    };
    const diamond::curvature_damping damping{.curvature = q, .variance = v};
    // p^r of the first coordinate: precision 1/v + q, mean (m/v + q y)/(1/v + q); the solver errs by less
    // than 0.01.
    const double wanted = (mean[0] / v + q * centre[0]) / (1.0 / v + q);
    const auto damped = moments(diamond::pathwise_posterior_value{draws, reward, options{}, damping}),
               plain = moments(diamond::pathwise_posterior_value{draws, reward, options{}}),
               denoised = moments(diamond::denoised_value{linear{}, model, reward, damping});
    MESSAGE("mean ", wanted, ": damped ", damped.value, ", plain ", plain.value, ", denoised and damped ",
            denoised.value);
    CHECK(std::abs(damped.value - wanted) < 4.5 * damped.standard_error + 0.01);
    CHECK(std::abs(denoised.value - wanted) < 4.5 * denoised.standard_error + 0.01);
    CHECK(plain.value - wanted > 0.1);
}

TEST_CASE(
    "numbers out of range, and draws of a Latin hypercube, are refused; damped guidance does not warn") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const diamond::diamond_map_posterior draws{diamond::gaussian_diamond_map{data<batch>(context)}};
    const auto reward = reward_of<batch>(context);
    const auto with = [&](diamond::curvature_damping damping, options each = {}) {
        return diamond::pathwise_posterior_value{draws, reward, each, damping};
    };
    CHECK_THROWS_WITH_AS(with({.curvature = -1.0}), doctest::Contains("not negative"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.curvature = 1.0, .variance = 0.0}), doctest::Contains("positive and finite"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.curvature = 1.0}, {.samples = 4, .latin_hypercube = true}),
                         doctest::Contains("not for those of a Latin hypercube"), std::invalid_argument);
    const auto at = batches::repeat<batch>(context, 4, {x[0], x[1]});
    batch out(context, 2, 4);
    auto damped = with({.curvature = q, .variance = v});
    damped.begin_guidance();
    damped.guidance(at.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
    CHECK(damped.guidance_warnings().empty());
    diamond::pathwise_posterior_value plain{draws, reward};
    plain.begin_guidance();
    plain.guidance(at.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
    CHECK(!plain.guidance_warnings().empty());
}

} // namespace value_damping_test
