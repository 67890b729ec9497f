#include <cmath>
#include <limits>

#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_diamond_map_posterior_test {

using diamond::index_t;
using diamond::interval;
using diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr diamond::no_condition none;

/// A Diamond map over a mixture, by few RK4 steps: nonlinear, and cheap.
template <class Batch>
auto mixture_map(const any_schedule& schedule, index_t steps = 4) {
    return diamond::glass_diamond_map(schedule, models::mixture<Batch, any_schedule>(schedule),
                                      diamond::runge_kutta_4{.steps = steps}, any_schedule{});
}
diamond::noise_stream value_stream(index_t samples, index_t step = 5) {
    return diamond::philox{77}.stream(diamond::purpose::value, step, samples);
}

diamond::gaussian<batch, any_schedule> gaussian(const diamond::eigen::context& context,
                                                const any_schedule& schedule) {
    const models::gaussian_numbers n;
    return {context, schedule, n.mean, n.covariance};
}

} // namespace

TEST_CASE_TEMPLATE("column j M + i is draw i of particle j, from that particle's and that sample's noise",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t d = 2, n = 5, samples = 3;
    const auto x_t = batches::normal<own_batch>(context, d, n, 1);
    auto map = mixture_map<own_batch>(any_schedule{});
    diamond::diamond_map_posterior posterior(map);
    own_batch draws(context, d, n * samples), noise(context, d, n * samples), again(context, d, n);
    posterior(x_t, 0.4, none, value_stream(samples), draws);
    diamond::draw_normal(value_stream(samples), noise.mutable_view());
    const auto drawn = batches::host(draws), eps = batches::host(noise);
    for (index_t i = 0; i < samples; ++i) {
        // Draw i of every particle by the map itself, from column j M + i of the stream's noise.
        std::vector<double> own, wanted;
        for (index_t j = 0; j < n; ++j)
            for (index_t k = 0; k < d; ++k) {
                own.push_back(eps[static_cast<std::size_t>(k + d * (j * samples + i))]);
                wanted.push_back(drawn[static_cast<std::size_t>(k + d * (j * samples + i))]);
            }
        map(batches::make<own_batch>(context, d, n, own), {0.0, 1.0}, x_t, time_view(0.4), none, again);
        CHECK(largest_error(batches::host(again), wanted) < back_end::tolerance);
    }
    // A particle's draws do not depend on how many particles there are, and other steps draw other noise.
    own_batch two(context, d, 2 * samples), later(context, d, n * samples);
    posterior(x_t.read().columns(0, 2), 0.4, none, value_stream(samples), two);
    CHECK(diamond::to_host(two) == diamond::to_host(draws.read().columns(0, 2 * samples)));
    posterior(x_t, 0.4, none, value_stream(samples, 6), later);
    CHECK(largest_error(batches::host(later), drawn) > 0.1);
}

TEST_CASE("antithetic draws use opposite noises") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 3, n = 4, samples = 6;
    const auto model = gaussian(context, any_schedule{});
    const auto x_t = batches::normal<batch>(context, d, n, 2);
    diamond::diamond_map_posterior posterior(diamond::gaussian_diamond_map(model, any_schedule{}));
    auto stream = value_stream(samples);
    stream.antithetic = true;
    batch draws(context, d, n * samples), mean(context, d, n);
    posterior(x_t, 0.6, none, stream, draws);
    auto workspace = model.make_workspace(context, n);
    model.denoiser(x_t, time_view(0.6), none, workspace, mean);
    for (index_t j = 0; j < n; ++j)
        for (index_t pair = 0; pair < samples / 2; ++pair)
            for (index_t i = 0; i < d; ++i) { // Gaussian draws are symmetric about D
                const index_t first = i + d * (j * samples + 2 * pair);
                CHECK(0.5 * (draws.data()[first] + draws.data()[first + d]) ==
                      doctest::Approx(mean.data()[i + d * j]).epsilon(1e-12));
                CHECK(draws.data()[first] != draws.data()[first + d]);
            }
}

TEST_CASE("several evaluations of an exact map are one, and cost as many") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 3, n = 6, samples = 2;
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        diamond::gaussian_diamond_map map(gaussian(context, schedule),
                                          any_schedule{schedules::kind::trigonometric});
        diamond::exact_posterior exact(gaussian(context, schedule));
        const auto x_t = batches::normal<batch>(context, d, n, 3),
                   cotangent = batches::normal<batch>(context, d, n * samples, 4);
        for (const double t : {0.0, 0.5, 0.97, 1.0}) {
            batch one(context, d, n * samples), many(context, d, n * samples),
                by_model(context, d, n * samples), one_pulled(context, d, n), many_pulled(context, d, n);
            diamond::diamond_map_posterior once(map), often(map, {.evaluations = 5});
            once(x_t, t, none, value_stream(samples), one);
            often(x_t, t, none, value_stream(samples), many);
            exact(x_t, t, none, value_stream(samples), by_model);
            CHECK(largest_error(batches::host(many), batches::host(one)) < 1e-12);
            CHECK(largest_error(batches::host(by_model), batches::host(one)) < 1e-12);
            CHECK(once.spent() == diamond::cost{.forward = n * samples});
            CHECK(often.spent() == diamond::cost{.forward = 5 * n * samples});
            once.vjp(x_t, t, none, value_stream(samples), cotangent, one_pulled);
            often.vjp(x_t, t, none, value_stream(samples), cotangent, many_pulled);
            CHECK(largest_error(batches::host(many_pulled), batches::host(one_pulled)) < 1e-12);
            CHECK(once.exact());
            CHECK(often.exact());
            if (t == 1.0) {
                batch repeated(context, d, n * samples);
                diamond::repeat_columns(x_t.read(), samples, repeated.mutable_view());
                CHECK(largest_error(batches::host(one), batches::host(repeated)) < 1e-14);
            }
        }
    }
    CHECK_FALSE(diamond::diamond_map_posterior(mixture_map<batch>(any_schedule{})).exact());
}

TEST_CASE("vjp is the derivative of the draws in x_t, the noise held, for several evaluations and samples") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 4;
    constexpr double h = 1e-6;
    const auto x_t = batches::normal<batch>(context, d, n, 5);
    for (const auto kind : {schedules::kind::linear, schedules::kind::variance_preserving})
        for (const double t : {0.1, 0.6, 0.95})
            for (const index_t evaluations : {1, 2, 4})
                for (const index_t samples : {1, 3}) {
                    diamond::diamond_map_posterior posterior(mixture_map<batch>(any_schedule{kind}, 2),
                                                             {.evaluations = evaluations});
                    const auto cotangent = batches::normal<batch>(context, d, n * samples, 6);
                    batch pulled(context, d, n);
                    posterior.vjp(x_t, t, none, value_stream(samples), cotangent, pulled);
                    const auto product = [&](const std::vector<double>& at) {
                        batch draws(context, d, n * samples);
                        posterior(batches::make<batch>(context, d, n, at), t, none, value_stream(samples),
                                  draws);
                        std::vector<double> sums(n);
                        for (index_t k = 0; k < draws.size(); ++k)
                            sums[static_cast<std::size_t>(k / (d * samples))] += draws.data()[k] *
                                                                                 cotangent.data()[k];
                        return sums;
                    };
                    for (std::size_t i = 0; i < d; ++i) {
                        auto high = batches::host(x_t), low = high;
                        for (std::size_t j = 0; j < n; ++j) {
                            high[i + d * j] += h;
                            low[i + d * j] -= h;
                        }
                        const auto above = product(high), below = product(low);
                        for (std::size_t j = 0; j < n; ++j) {
                            const double difference = (above[j] - below[j]) / (2.0 * h);
                            // truncation h^2 z''', z''' up to 1e4 where components meet; rounding 1e-16/h
                            CHECK(std::abs(pulled.data()[i + d * j] - difference) <
                                  1e-6 * (1.0 + std::abs(difference)));
                        }
                    }
                }
}

TEST_CASE("the GLASS Diamond map composes over inner times, inverts, and differentiates in both arguments") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 5;
    constexpr double h = 1e-6;
    const auto xbar = batches::normal<batch>(context, d, n, 7),
               x_t = batches::normal<batch>(context, d, n, 8),
               cotangent = batches::normal<batch>(context, d, n, 9);
    auto map = mixture_map<batch>(any_schedule{}, 64);
    const auto go = [&](const batch& from, interval inner) {
        batch out(context, d, n);
        map(from, inner, x_t, time_view(0.4), none, out);
        return out;
    };
    CHECK(largest_error(batches::host(go(go(xbar, {0.0, 0.3}), {0.3, 0.9})),
                        batches::host(go(xbar, {0.0, 0.9}))) < 1e-6);
    CHECK(largest_error(batches::host(go(go(xbar, {0.0, 0.9}), {0.9, 0.0})), batches::host(xbar)) < 1e-6);

    auto rough = mixture_map<batch>(any_schedule{}, 2); // far from the flow: its own derivative is wanted
    batch out_xbar(context, d, n), out_x_t(context, d, n);
    rough.vjp(xbar, {0.1, 1.0}, x_t, time_view(0.4), none, cotangent, out_xbar, out_x_t);
    const auto product = [&](const std::vector<double>& at_xbar, const std::vector<double>& at_x_t) {
        batch out(context, d, n);
        rough(batches::make<batch>(context, d, n, at_xbar), {0.1, 1.0},
              batches::make<batch>(context, d, n, at_x_t), time_view(0.4), none, out);
        std::vector<double> sums(n);
        for (index_t k = 0; k < out.size(); ++k)
            sums[static_cast<std::size_t>(k / d)] += out.data()[k] * cotangent.data()[k];
        return sums;
    };
    for (const bool in_x_t : {false, true})
        for (std::size_t i = 0; i < d; ++i) {
            auto high_xbar = batches::host(xbar), low_xbar = high_xbar, high_x_t = batches::host(x_t),
                 low_x_t = high_x_t;
            for (std::size_t j = 0; j < n; ++j) {
                (in_x_t ? high_x_t : high_xbar)[i + d * j] += h;
                (in_x_t ? low_x_t : low_xbar)[i + d * j] -= h;
            }
            const auto above = product(high_xbar, high_x_t), below = product(low_xbar, low_x_t);
            for (std::size_t j = 0; j < n; ++j) {
                const double difference = (above[j] - below[j]) / (2.0 * h);
                CHECK(std::abs((in_x_t ? out_x_t : out_xbar).data()[i + d * j] - difference) <
                      1e-6 * (1.0 + std::abs(difference)));
            }
        }
}

TEST_CASE(
    "early stop reaches the inner signal-to-noise ratio snr(t') - snr(t), and reads x_t' off the statistic") {
    for (const auto kind : schedules::every_kind)
        for (const auto inner_kind : schedules::every_kind)
            for (const double from : {0.0, 0.1, 0.6, 0.99})
                for (const double to : {0.11, 0.61, 0.9, 0.995, 1.0}) {
                    if (to <= from) continue;
                    const any_schedule schedule{kind}, inner{inner_kind};
                    CAPTURE(std::string(schedule.name()));
                    CAPTURE(std::string(inner.name()));
                    CAPTURE(from);
                    CAPTURE(to);
                    const auto stop = diamond::early_stop_at(schedule, inner, {from, to});
                    if (to == 1.0) {
                        CHECK(stop.inner_time == 1.0);
                        CHECK(stop.outer == 0.0);
                        CHECK(stop.inner == 1.0);
                        continue;
                    }
                    const auto here = diamond::level_at(schedule, from),
                               there = diamond::level_at(schedule, to),
                               at = diamond::level_at(inner, stop.inner_time);
                    const double wanted = there.snr() - here.snr();
                    CHECK(at.snr() == doctest::Approx(wanted).epsilon(1e-9));
                    // alpha' S, S = (alpha/sigma^2 x_t + abar/sbar^2 xbar)/snr(t')
                    CHECK(stop.outer == doctest::Approx(there.alpha * here.alpha /
                                                        diamond::square(here.sigma) / there.snr())
                                            .epsilon(1e-12));
                    CHECK(stop.inner ==
                          doctest::Approx(there.alpha * at.alpha / diamond::square(at.sigma) / there.snr())
                              .epsilon(1e-9));
                }
    const auto stop = [](double from, double to) {
        return diamond::early_stop_at(any_schedule{}, any_schedule{}, {from, to});
    };
    CHECK_THROWS_WITH_AS(stop(0.5, 0.5), doctest::Contains("0.5"), std::invalid_argument);
    CHECK_THROWS_AS(stop(0.5, 1.1), std::invalid_argument);
    CHECK_THROWS_AS(stop(std::numeric_limits<double>::quiet_NaN(), 1.0), std::invalid_argument);
}

/// sigma vanishes as a power of 1 - t, and times are doubles.
struct power_schedule {
    double power;
    double alpha(double t) const { return t; }
    double sigma(double t) const { return std::pow(1.0 - t, power); }
    double d_alpha(double) const { return 1.0; }
    double d_sigma(double t) const { return -power * std::pow(1.0 - t, power - 1.0); }
};

TEST_CASE("early stop keeps mean and deviation where no double says the inner time, and a search by "
          "derivatives is one early") {
    for (const double outer_power : {1.0, 2.0, 3.0})
        for (const double inner_power : {1.0, 2.0, 3.0})
            for (const double from : {0.0, 0.5, 1.0 - 0x1p-20})
                for (int bits = 21; bits <= 53; ++bits) {
                    CAPTURE(outer_power);
                    CAPTURE(inner_power);
                    CAPTURE(from);
                    CAPTURE(bits);
                    const power_schedule schedule{outer_power}, inner{inner_power};
                    const double to = 1.0 - std::ldexp(1.0, -bits);
                    const auto stop = diamond::early_stop_at(schedule, inner, {from, to});
                    const auto here = diamond::level_at(schedule, from),
                               at = diamond::level_at(inner, stop.inner_time);
                    const double mean = stop.outer * here.alpha + stop.inner * at.alpha;
                    CHECK(mean == doctest::Approx(schedule.alpha(to)).epsilon(1e-12));
                    CHECK(std::hypot(stop.outer * here.sigma, stop.inner * at.sigma) / schedule.sigma(to) ==
                          doctest::Approx(1.0).epsilon(1e-12));
                }
}

TEST_CASE("posterior draws and Diamond maps refuse what does not fit, and can be used afterwards") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 4;
    for (const index_t evaluations : {0, -1})
        CHECK_THROWS_WITH_AS(
            diamond::diamond_map_posterior(mixture_map<batch>(any_schedule{}), {.evaluations = evaluations}),
            doctest::Contains(std::to_string(evaluations).c_str()), std::invalid_argument);
    CHECK_THROWS_WITH_AS(mixture_map<batch>(any_schedule{}, 0), doctest::Contains("0 steps"),
                         std::invalid_argument);
    { // 4 x 2^62 evaluations are 0 columns of working states by 64 bits
        diamond::diamond_map_posterior endless(mixture_map<batch>(any_schedule{}),
                                               {.evaluations = index_t{1} << 62});
        const auto points = batches::normal<batch>(context, d, n, 10);
        batch drawn(context, d, n);
        CHECK_THROWS_WITH_AS(endless(points, 0.5, none, value_stream(1), drawn),
                             doctest::Contains("4 x 4611686018427387904 is more than 2^63 - 1"),
                             std::invalid_argument);
    }

    auto map = mixture_map<batch>(any_schedule{});
    diamond::diamond_map_posterior posterior(map);
    const auto x = batches::normal<batch>(context, d, n, 10);
    batch out(context, d, n), wide(context, d, 3 * n), tall(context, d + 1, n), before(context, d, n);
    posterior(x, 0.5, none, value_stream(1), before);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(posterior(x, 0.5, none, value_stream(2), wide), doctest::Contains("2 x 12"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(posterior(x, 0.5, none, value_stream(1), tall), doctest::Contains("3 x 4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(posterior.vjp(x, 0.5, none, value_stream(3), wide, wide),
                         doctest::Contains("2 x 12"), std::invalid_argument);
    CHECK_THROWS_AS(posterior.vjp(x, 0.5, none, value_stream(2), wide, out), std::invalid_argument);
    for (const double t : {-0.1, 1.1, nan}) {
        CHECK_THROWS_WITH_AS(posterior(x, t, none, value_stream(1), out), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(map(x, {0.0, 1.0}, x, time_view(t), none, out), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(map(x, {0.0, t}, x, time_view(0.5), none, out), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(map(x, {t, 1.0}, x, time_view(0.5), none, out), doctest::Contains("[0, 1]"),
                             std::invalid_argument);
    }
    CHECK_THROWS_AS(map(x, {0.0, 1.0}, wide, time_view(0.5), none, out), std::invalid_argument);
    CHECK_THROWS_AS(map(x, {0.0, 1.0}, x, time_view(0.5), none, wide), std::invalid_argument);

    diamond::early_stop_kernel stop(map);
    diamond::ddpm_posterior_kernel ddpm(posterior);
    const auto stream = diamond::philox{1}.stream(diamond::purpose::transition, 1);
    for (const interval span : {interval{0.5, 0.5}, interval{0.6, 0.5}, interval{-0.1, 0.5},
                                interval{0.5, 1.5}, interval{nan, 0.5}, interval{0.5, nan}}) {
        CHECK_THROWS_AS(stop(x, span, none, stream, out), std::invalid_argument);
        CHECK_THROWS_AS(ddpm(x, span, none, stream, out), std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(stop(x, {0.2, 0.5}, none, stream, wide), doctest::Contains("2 x 12"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(ddpm(x, {0.2, 0.5}, none, stream, wide), doctest::Contains("2 x 12"),
                         std::invalid_argument);

    batch after(context, d, n);
    posterior(x, 0.5, none, value_stream(1), after);
    CHECK(diamond::to_host(after) == diamond::to_host(before));
}

} // namespace map_diamond_map_posterior_test
