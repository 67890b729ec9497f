#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/tempered_reward.hpp>
#include <diamond/value/posterior_value.hpp>

#include "estimates.hpp"
#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"
#include "tilts.hpp"

namespace value_posterior_test {

using diamond::index_t;
using diamond::time_view;
using estimates::guidance, estimates::values;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using tilts::point;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr diamond::no_condition none;
constexpr point some_points[] = {{0.4, -0.3}, {-1.1, 0.9}, {0.1, 1.4}};

/// Posterior draws by integrating GLASS over the mixture.
template <class Batch>
auto glass_posterior(const any_schedule& schedule, index_t steps) {
    return diamond::diamond_map_posterior(
        diamond::glass_diamond_map(schedule, models::mixture<Batch, any_schedule>(schedule),
                                   diamond::runge_kutta_4{.steps = steps}, any_schedule{}));
}
auto exact_posterior(const diamond::eigen::context& context, const any_schedule& schedule) {
    const models::mixture_numbers n;
    return diamond::exact_posterior(diamond::gaussian_mixture<batch, any_schedule>(
        context, schedule, {n.weight[0], n.weight[1], n.weight[2]},
        {n.mean[0][0], n.mean[0][1], n.mean[1][0], n.mean[1][1], n.mean[2][0], n.mean[2][1]},
        {n.variance[0][0], n.variance[0][1], n.variance[1][0], n.variance[1][1], n.variance[2][0],
         n.variance[2][1]}));
}

} // namespace

TEST_CASE("the reference: V by closed forms is V by quadrature, and b grad V by differences of V") {
    const tilts::reward r;
    for (const auto kind : schedules::every_kind)
        for (const double t : {0.2, 0.7}) {
            const any_schedule schedule{kind};
            const auto level = diamond::level_at(schedule, t);
            for (const point& x : some_points) {
                const tilts::exact_value exact(schedule, r, x, t);
                CHECK(exact.value == doctest::Approx(tilts::value_by_quadrature(level, r, x)).epsilon(1e-10));
                for (std::size_t i = 0; i < 2; ++i) {
                    constexpr double h = 1e-5;
                    point above = x, below = x;
                    above[i] += h;
                    below[i] -= h;
                    const double difference = (tilts::exact_value(schedule, r, above, t).value -
                                               tilts::exact_value(schedule, r, below, t).value) /
                                              (2.0 * h);
                    CHECK(exact.gradient(level)[i] == doctest::Approx(difference).epsilon(1e-7));
                    CHECK(exact.guidance(schedule, t)[i] ==
                          doctest::Approx(diamond::guidance_factor(schedule, t) * difference).epsilon(1e-6));
                }
            }
        }
}

TEST_CASE_TEMPLATE("value, error, ESS and guidance are their formulas in the posterior draws", back_end,
                   BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 9;
    const tilts::reward r;
    const any_schedule schedule{schedules::kind::trigonometric};
    const auto x = batches::normal<own_batch>(context, 2, n, 1);
    const double t = 0.6;
    // the draws come from two RK4 steps, whose rounding the weights see
    const double few = 20 * back_end::tolerance;
    for (const bool antithetic : {false, true})
        for (const index_t samples : {1, 2, 6}) {
            if (antithetic && samples == 1) continue;
            CAPTURE(antithetic);
            CAPTURE(samples);
            auto sampler = glass_posterior<own_batch>(schedule, 2);
            diamond::posterior_value plain(sampler, r, {.samples = samples, .antithetic = antithetic});
            diamond::pathwise_posterior_value pathwise(sampler, r,
                                                       {.samples = samples, .antithetic = antithetic});
            const auto found = values(plain, x, t, estimates::stream());
            const auto slope = guidance(pathwise, x, t, estimates::stream());
            std::vector<double> shift;
            if (samples > 1)
                shift = guidance(plain, x, t, estimates::stream());
            else // D^r - D of one draw is 0 whatever the reward
                for (auto* estimator : {&plain, static_cast<decltype(&plain)>(&pathwise)})
                    CHECK_THROWS_WITH_AS(guidance(*estimator, x, t, estimates::stream()),
                                         doctest::Contains("samples >= 2"), std::invalid_argument);

            auto stream = estimates::stream().with_samples(samples);
            stream.antithetic = antithetic;
            own_batch drawn(context, 2, n * samples), cotangent(context, 2, n * samples),
                pulled(context, 2, n);
            sampler(x, t, none, stream, drawn);
            const auto z = batches::host(drawn);
            std::vector<double> weighted_slope, wanted_shift, wanted_value, wanted_error, wanted_ess;
            const double b = diamond::guidance_factor(schedule, t),
                         factor = diamond::mean_shift_factor(schedule, t);
            for (index_t j = 0; j < n; ++j) {
                std::vector<double> rewards, units;
                for (index_t i = 0; i < samples; ++i)
                    rewards.push_back(r(diamond::column_view<const double>(
                        &z[static_cast<std::size_t>(2 * (j * samples + i))], 2)));
                double total = 0.0, tilted[2] = {}, mean[2] = {};
                for (const double v : rewards) total += std::exp(v);
                for (index_t i = 0; i < samples; ++i) {
                    const double p = std::exp(rewards[static_cast<std::size_t>(i)]) / total;
                    for (index_t l = 0; l < 2; ++l) {
                        const double zi = z[static_cast<std::size_t>(l + 2 * (j * samples + i))];
                        tilted[l] += p * zi;
                        mean[l] += zi / static_cast<double>(samples);
                        weighted_slope.push_back(
                            p * (r.c[static_cast<std::size_t>(l)] -
                                 r.q[static_cast<std::size_t>(l)] * (zi - r.y[static_cast<std::size_t>(l)])));
                    }
                    units.push_back(std::exp(rewards[static_cast<std::size_t>(i)]));
                }
                if (antithetic) { // pairs are averaged before anything is squared
                    std::vector<double> pairs;
                    for (std::size_t k = 0; k < units.size(); k += 2)
                        pairs.push_back(0.5 * (units[k] + units[k + 1]));
                    units = pairs;
                }
                double sum = 0.0, squares = 0.0;
                for (const double w : units) sum += w;
                const auto m = static_cast<double>(units.size());
                // the relative variance of the mean, times m (m - 1)
                for (const double w : units) squares += diamond::square(w / (sum / m) - 1.0);
                wanted_value.push_back(std::log(sum / m));
                wanted_error.push_back(std::sqrt(squares / (m * (m - 1.0))));
                wanted_ess.push_back(m / (1.0 + squares / m));
                for (std::size_t l = 0; l < 2; ++l) {
                    double between = 0.0; // the units' own means differ by so much, of which 1/m was lost
                    for (std::size_t k = 0; k < units.size(); ++k) {
                        const std::size_t first = 2 * static_cast<std::size_t>(j * samples) +
                                                  2 * k * (antithetic ? 2 : 1) + l;
                        const double own = antithetic ? 0.5 * (z[first] + z[first + 2]) : z[first];
                        between += (units[k] / sum - 1.0 / m) * own;
                    }
                    wanted_shift.push_back(factor *
                                           (tilted[l] - mean[l] + (m > 1.0 ? between / (m - 1.0) : 0.0)));
                }
            }
            CHECK(largest_error(found.value, wanted_value) < few);
            CHECK(largest_error(found.ess, wanted_ess) < few);
            if (samples > 1) CHECK(largest_error(shift, wanted_shift) < few);
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(std::isnan(found.ess_base[j]));
                if (samples == 1 || (antithetic && samples == 2))
                    CHECK(std::isnan(found.standard_error[j])); // one unit says nothing of its error
                else
                    CHECK(std::abs(found.standard_error[j] - wanted_error[j]) < few);
            }
            cotangent = batches::make<own_batch>(context, 2, n * samples, weighted_slope);
            sampler.vjp(x, t, none, stream, cotangent, pulled);
            auto wanted_slope = batches::host(pulled);
            for (double& g : wanted_slope) g *= b;
            CHECK(largest_error(slope, wanted_slope) < few);
            const index_t calls = samples > 1 ? 2 : 1; // one that is refused draws nothing
            CHECK(plain.spent().reward == calls * n * samples);
            // the eighth stage, at s = 1, asks nothing
            CHECK(plain.spent().forward == calls * 7 * n * samples);
            CHECK(plain.spent().vjp == 0);
            CHECK(pathwise.spent().reward == n * samples);
            CHECK(pathwise.spent().vjp == 7 * n * samples);
        }
}

TEST_CASE_TEMPLATE("fixed noise is the same at every step, other noise is not", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<own_batch>(context, 2, 4, 2);
    diamond::posterior_value fixed(glass_posterior<own_batch>(any_schedule{}, 2), tilts::reward{},
                                   {.samples = 2, .fixed_noise = true});
    diamond::posterior_value fresh(glass_posterior<own_batch>(any_schedule{}, 2), tilts::reward{},
                                   {.samples = 2});
    CHECK(values(fixed, x, 0.5, estimates::stream(1)).value ==
          values(fixed, x, 0.5, estimates::stream(9)).value);
    CHECK(guidance(fixed, x, 0.5, estimates::stream(1)) == guidance(fixed, x, 0.5, estimates::stream(9)));
    CHECK(values(fresh, x, 0.5, estimates::stream(1)).value !=
          values(fresh, x, 0.5, estimates::stream(9)).value);
    CHECK(values(fresh, x, 0.5, estimates::stream(1)).value ==
          values(fresh, x, 0.5, estimates::stream(1)).value);
}

// 36 averages at 4.5 standard errors, both here and in the next case: with free seeds one run in 2,000 would
// fail (72 times 6.8e-6).
TEST_CASE("exp V is unbiased, whatever the number of samples") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 8000; // the same particle over and over, each with its own noise
    const tilts::reward r;
    for (const auto kind : {schedules::kind::linear, schedules::kind::variance_preserving}) {
        const any_schedule schedule{kind};
        std::uint64_t seed = 1;
        const auto check = [&](const auto& sampler, const point& x, double t, index_t samples) {
            diamond::posterior_value estimator(sampler, r, {.samples = samples});
            const auto found = values(estimator, batches::repeat<batch>(context, n, {x[0], x[1]}), t,
                                      estimates::stream(1, ++seed));
            const double truth = tilts::exact_value(schedule, r, x, t).value;
            CAPTURE(std::string(schedule.name()));
            CAPTURE(t);
            CAPTURE(samples);
            CHECK(statistics::within(
                statistics::average(
                    n, [&](index_t j) { return std::exp(found.value[static_cast<std::size_t>(j)] - truth); }),
                1.0));
        };
        for (const point& x : some_points)
            for (const double t : {0.0, 0.3, 0.8})
                for (const index_t samples : {1, 8}) check(exact_posterior(context, schedule), x, t, samples);
        // By GLASS, whose 16 RK4 steps err by 1e-4 where a standard error is 5e-3. At t = 0, V is log Z
        // wherever x is.
        check(glass_posterior<batch>(schedule, 16), some_points[0], 0.4, 1);
        check(glass_posterior<batch>(schedule, 16), some_points[1], 0.8, 2);
        CHECK(tilts::exact_value(schedule, r, some_points[0], 0.0).value ==
              doctest::Approx(tilts::exact_value(schedule, r, some_points[1], 0.0).value).epsilon(1e-14));
    }
}

TEST_CASE("both guidances are consistent with b grad V, and finite at t = 0") {
    const auto context = back_ends::eigen<double>::make(1);
    // the ratio's bias, of order 1/M, is a tenth of the error of the mean of n
    constexpr index_t n = 48, samples = 3000;
    const tilts::reward r;
    std::uint64_t seed = 100;
    for (const auto kind : {schedules::kind::linear, schedules::kind::variance_preserving}) {
        const any_schedule schedule{kind};
        const auto check = [&](auto estimator, const point& x, double t) {
            const auto found = guidance(estimator, batches::repeat<batch>(context, n, {x[0], x[1]}), t,
                                        estimates::stream(1, ++seed));
            const auto truth = tilts::exact_value(schedule, r, x, t).guidance(schedule, t);
            CAPTURE(std::string(schedule.name()));
            CAPTURE(t);
            for (std::size_t i = 0; i < 2; ++i)
                CHECK(statistics::within(
                    statistics::average(
                        n, [&](index_t j) { return found[i + 2 * static_cast<std::size_t>(j)]; }),
                    truth[i]));
        };
        for (const point& x : some_points)
            for (const double t : {0.0, 0.3, 0.8})
                check(diamond::posterior_value(exact_posterior(context, schedule), r, {.samples = samples}),
                      x, t);
        check(diamond::posterior_value(glass_posterior<batch>(schedule, 8), r, {.samples = samples / 4}),
              some_points[0], 0.6);
        for (const double t : {0.0, 0.05, 0.6})
            check(diamond::pathwise_posterior_value(glass_posterior<batch>(schedule, 8), r,
                                                    {.samples = samples / 4}),
                  some_points[1], t);
    }
}

TEST_CASE("the standard error is honest") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 6000;
    const tilts::reward r;
    for (const index_t samples : {8, 64}) {
        diamond::posterior_value estimator(exact_posterior(context, any_schedule{}), r, {.samples = samples});
        const auto found = values(estimator, batches::repeat<batch>(context, n, {0.4, -0.3}), 0.4,
                                  estimates::stream(1, 7));
        const auto value = statistics::average(found.value);
        const double empirical = value.standard_error * std::sqrt(static_cast<double>(n));
        const double reported = std::sqrt(statistics::average(n, [&](index_t j) {
                                              return diamond::square(
                                                  found.standard_error[static_cast<std::size_t>(j)]);
                                          }).value);
        MESSAGE(samples << " samples: standard error " << reported << " reported, " << empirical
                        << " empirical");
        // The empirical deviation of n draws is good to 1/sqrt(2 n) = 1 %; the formula is the delta method's,
        // right to O(1/M).
        CHECK(std::abs(reported / empirical - 1.0) < 0.045 + 0.5 / static_cast<double>(samples));
    }
}

TEST_CASE("antithetic pairs lessen the error of a nearly linear reward, and say so") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 6000, samples = 16;
    const tilts::reward gentle{.c = {0.5, -0.3}, .q = {0.0, 0.0}};
    const auto run = [&](bool antithetic) {
        diamond::posterior_value estimator(glass_posterior<batch>(any_schedule{}, 4), gentle,
                                           {.samples = samples, .antithetic = antithetic});
        const auto found = values(estimator, batches::repeat<batch>(context, n, {0.9, -0.2}), 0.7,
                                  estimates::stream(1, 8));
        struct {
            double empirical, reported;
            statistics::estimate mean;
        } result{};
        result.empirical = statistics::average(found.value).standard_error *
                           std::sqrt(static_cast<double>(n));
        result.reported = std::sqrt(statistics::average(n, [&](index_t j) {
                                        return diamond::square(
                                            found.standard_error[static_cast<std::size_t>(j)]);
                                    }).value);
        result.mean = statistics::average(
            n, [&](index_t j) { return std::exp(found.value[static_cast<std::size_t>(j)]); });
        return result;
    };
    const auto plain = run(false), paired = run(true);
    MESSAGE("standard error of 16 draws: " << plain.empirical << " plain, " << paired.empirical
                                           << " in pairs, " << paired.reported << " reported");
    CHECK(paired.empirical < 0.5 * plain.empirical);
    // Eight pairs: the same bounds as above.
    CHECK(std::abs(paired.reported / paired.empirical - 1.0) < 0.045 + 0.5 / 8.0);
    CHECK(std::abs(paired.mean.value - plain.mean.value) <
          4.5 * std::hypot(paired.mean.standard_error, plain.mean.standard_error));
}

TEST_CASE("the temperature divides the reward, inside the exponential") {
    const auto context = back_ends::eigen<double>::make(1);
    const tilts::reward r;
    const double temperature = 0.4;
    const auto x = batches::normal<batch>(context, 2, 5, 3);
    for (const index_t samples : {1, 4}) {
        diamond::posterior_value cooled(exact_posterior(context, any_schedule{}),
                                        diamond::tempered_reward(temperature, r), {.samples = samples});
        diamond::posterior_value divided(exact_posterior(context, any_schedule{}), r.at(temperature),
                                         {.samples = samples});
        diamond::posterior_value plain(exact_posterior(context, any_schedule{}), r, {.samples = samples});
        for (const double t : {0.0, 0.5, 1.0})
            CHECK(largest_error(values(cooled, x, t, estimates::stream()).value,
                                values(divided, x, t, estimates::stream()).value) < 1e-12);
        // Outside it, value and target would depend on the number of samples: only for one sample are the two
        // the same.
        auto outside = values(plain, x, 0.5, estimates::stream()).value;
        for (double& v : outside) v /= temperature;
        const double gap = largest_error(outside, values(cooled, x, 0.5, estimates::stream()).value);
        CHECK((samples == 1 ? gap < 1e-12 : gap > 0.05));
    }
}

TEST_CASE("at t = 1 the value is the reward, and guidance b(1) times its gradient") {
    const auto context = back_ends::eigen<double>::make(1);
    const tilts::reward r;
    const auto x = batches::normal<batch>(context, 2, 6, 4);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        diamond::posterior_value plain(exact_posterior(context, schedule), r, {.samples = 4});
        diamond::pathwise_posterior_value pathwise(glass_posterior<batch>(schedule, 2), r, {.samples = 4});
        const double b = schedule.infinite_slope() ? schedule.d_alpha(1.0) : 0.0;
        CHECK(diamond::final_guidance_factor(schedule) == doctest::Approx(b).epsilon(1e-14));
        if (schedule.infinite_slope()) CHECK(b > 0.01);
        batch slope(context, 2, 6);
        r.gradient(x.read(), slope.mutable_view());
        auto wanted = batches::host(slope);
        for (double& g : wanted) g *= b;
        const auto check = [&](auto& estimator) {
            const auto found = values(estimator, x, 1.0, estimates::stream());
            for (index_t j = 0; j < 6; ++j) {
                const auto k = static_cast<std::size_t>(j);
                CHECK(found.value[k] == r(x.read().column(j)));
                CHECK((std::isnan(found.standard_error[k]) && std::isnan(found.ess[k]) &&
                       std::isnan(found.ess_base[k])));
            }
            CHECK(estimator.spent() == diamond::cost{.reward = 6}); // no draw is made
            CHECK(largest_error(guidance(estimator, x, 1.0, estimates::stream()), wanted) < 1e-14);
        };
        check(plain);
        check(pathwise);
        // Without a gradient only b(1) = 0 will do.
        const auto opaque = [&](const auto& column) { return r(column); };
        diamond::posterior_value undifferentiable(exact_posterior(context, schedule), opaque, {.samples = 4});
        if (schedule.infinite_slope())
            CHECK_THROWS_WITH_AS(guidance(undifferentiable, x, 1.0, estimates::stream()),
                                 doctest::Contains("gradient"), std::invalid_argument);
        else
            CHECK(guidance(undifferentiable, x, 1.0, estimates::stream()) == std::vector<double>(12, 0.0));
        CHECK_NOTHROW(guidance(undifferentiable, x, 0.5, estimates::stream()));
    }
}

TEST_CASE("numbers of samples and times out of range are refused, and shapes checked") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto make = [&](index_t samples, bool antithetic) {
        return diamond::posterior_value(glass_posterior<batch>(any_schedule{}, 2), tilts::reward{},
                                        {.samples = samples, .antithetic = antithetic});
    };
    CHECK_THROWS_WITH_AS(make(0, false), doctest::Contains("0 samples"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make(-2, true), doctest::Contains("-2 samples"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make(3, true), doctest::Contains("pairs"), std::invalid_argument);
    auto estimator = make(2, false);
    const auto x = batches::normal<batch>(context, 2, 4, 5);
    const auto before = values(estimator, x, 0.5, estimates::stream()).value;
    batch tall = batches::normal<batch>(context, 3, 4, 5), wide(context, 2, 5);
    for (const double t : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THROWS_WITH_AS(values(estimator, x, t, estimates::stream()), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(guidance(estimator, x, t, estimates::stream()), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
    }
    CHECK_THROWS_AS(values(estimator, tall, 0.5, estimates::stream()), std::invalid_argument);
    CHECK_THROWS_WITH_AS(estimator.guidance(x, 0.5, none, estimates::stream(), wide),
                         doctest::Contains("2 x 5"), std::invalid_argument);
    CHECK(values(estimator, x, 0.5, estimates::stream()).value == before);
}

} // namespace value_posterior_test
