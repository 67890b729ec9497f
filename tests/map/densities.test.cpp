/// Draws that know their density, on exact maps: the posterior's and the transition's by Bayes' rule, from
/// densities that owe nothing to maps.
#include "support/densities.hpp"

#include <limits>

#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_densities_test {

using diamond::index_t, diamond::interval, diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr diamond::no_condition none;
using list = std::vector<double>;

diamond::noise_stream stream(index_t samples = 1) {
    return diamond::philox{7}.stream(diamond::purpose::value, 3, samples);
}

/// log N(x_j; scale z_m, variance I), m = j samples + i.
list likelihood(const list& x, const list& z, index_t d, double scale, double variance) {
    const std::size_t rows = static_cast<std::size_t>(d), samples = z.size() / x.size();
    list result;
    for (std::size_t m = 0; m < z.size() / rows; ++m) {
        double sum = 0.0;
        for (std::size_t i = 0; i < rows; ++i)
            sum -= 0.5 * (diamond::square(x[i + rows * (m / samples)] - scale * z[i + rows * m]) / variance +
                          std::log(2.0 * diamond::pi * variance));
        result.push_back(sum);
    }
    return result;
}
list mixture_density(const any_schedule& schedule, const list& x, double t) {
    const diamond::noise_level level = diamond::level_at(schedule, t);
    list result;
    for (std::size_t j = 0; j < x.size(); j += 2)
        result.push_back(
            models::mixture_point({}, level.alpha, diamond::square(level.sigma), x.data() + j).log_density);
    return result;
}
list gaussian_density(const any_schedule& schedule, const list& x, double t) {
    const diamond::noise_level level = diamond::level_at(schedule, t);
    return densities::gaussian(x, level.alpha, level.sigma);
}
/// log p(z | x_t) or log p(x_t' | x_t), by Bayes' rule: z is x_t' at t' = 1.
template <class Density>
list by_bayes(const any_schedule& schedule, const Density& density, const list& x, const list& next,
              index_t d, interval span) {
    const diamond::noise_level from = diamond::level_at(schedule, span.from),
                               to = diamond::level_at(schedule, span.to);
    const double a = from.alpha / to.alpha,
                 variance = diamond::square(from.sigma) - diamond::square(a * to.sigma);
    const list prior = density(schedule, next, span.to), evidence = density(schedule, x, span.from);
    list result = likelihood(x, next, d, a, variance);
    const std::size_t samples = next.size() / x.size();
    for (std::size_t m = 0; m < result.size(); ++m) result[m] += prior[m] - evidence[m / samples];
    return result;
}

/// Draws and given points, of posterior and transitions, both ways, all schedules.
template <class Batch, class Make, class Density>
void check_densities(const diamond::backend_of_t<Batch>& context, const Make& make, const Density& density,
                     index_t d, double tolerance, bool is_field = false) {
    constexpr index_t n = 6, samples = 3;
    const auto x = batches::normal<Batch>(context, d, n, 11, 0.8);
    const auto z = batches::normal<Batch>(context, d, n * samples, 12, 0.9); // of no map
    const auto other = batches::normal<Batch>(context, d, n, 13, 0.9);
    Batch drawn(context, d, n * samples), plain(context, d, n * samples), next(context, d, n);
    diamond::rebind_t<Batch, double> told(context, 1, n * samples);
    for (const auto kind : schedules::every_kind)
        for (const auto inner : schedules::every_kind) {
            const any_schedule schedule{kind}, inner_schedule{inner};
            CAPTURE(std::string(schedule.name()));
            CAPTURE(std::string(inner_schedule.name()));
            if (is_field && inner_schedule.infinite_slope()) continue;
            // A field reads alpha(0) > 0 as it is, and time 0 is pure noise: support/any_schedule.hpp.
            const auto within = [&](double t) {
                return is_field && schedule.noisy_start() && t == 0.0 ? 2e-4 : tolerance;
            };
            auto map = make(schedule, inner_schedule);
            for (const index_t evaluations : {1, 3}) {
                diamond::diamond_map_posterior posterior(map, {.evaluations = evaluations});
                for (const double t : {0.0, 0.35, 0.8}) {
                    CAPTURE(t);
                    posterior.draw_with_density(x, t, none, stream(samples), drawn, diamond::row(told));
                    posterior(x, t, none, stream(samples), plain);
                    CHECK(largest_error(batches::host(drawn), batches::host(plain)) < tolerance);
                    CHECK(largest_error(batches::host(told), by_bayes(schedule, density, batches::host(x),
                                                                      batches::host(drawn), d, {t, 1.0})) <
                          within(t));
                    posterior.log_density(x, t, none, z, diamond::row(told));
                    CHECK(largest_error(batches::host(told), by_bayes(schedule, density, batches::host(x),
                                                                      batches::host(z), d, {t, 1.0})) <
                          within(t));
                }
            }
            diamond::early_stop_kernel kernel(map);
            told.resize(context, 1, n);
            for (const interval span :
                 {interval{0.0, 0.3}, interval{0.35, 0.6}, interval{0.8, 1.0}, interval{0.0, 1.0}}) {
                CAPTURE(span.from);
                kernel.draw_with_density(x, span, none, stream(), next, diamond::row(told));
                CHECK(largest_error(batches::host(told), by_bayes(schedule, density, batches::host(x),
                                                                  batches::host(next), d, span)) <
                      within(span.from));
                kernel.log_density(x, span, none, other, diamond::row(told));
                CHECK(largest_error(batches::host(told), by_bayes(schedule, density, batches::host(x),
                                                                  batches::host(other), d, span)) <
                      within(span.from));
            }
            told.resize(context, 1, n * samples);
        }
}

} // namespace

TEST_CASE("closed maps: posterior and transition densities are Bayes' rule to 1e-10, inner schedules equal "
          "to and different from the outer") {
    const auto context = back_ends::eigen<double>::make(1);
    const models::gaussian_numbers n;
    check_densities<batch>(
        context,
        [&](const any_schedule& schedule, const any_schedule& inner) {
            return diamond::gaussian_diamond_map(
                diamond::gaussian<batch, any_schedule>(context, schedule, n.mean, n.covariance), inner);
        },
        gaussian_density, 3, 1e-10);
}

TEST_CASE("a mixture by GLASS's inner flow and its divergence, as far as 500 steps of the solver go") {
    const auto context = back_ends::eigen<double>::make(2);
    using mixture = models::mixture<batch, any_schedule>;
    check_densities<batch>(
        context,
        [&](const any_schedule& schedule, const any_schedule& inner) {
            return diamond::glass_diamond_map(schedule, diamond::exact_divergence{mixture(schedule)},
                                              diamond::runge_kutta_4{.steps = 500}, inner);
        },
        mixture_density, 2, 2e-8, true);
}

TEST_CASE_TEMPLATE("on every back end: the density of a draw and of the same point given", back_end,
                   BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    using mixture = models::mixture<own_batch, any_schedule>;
    constexpr index_t n = 5, samples = 2;
    const any_schedule schedule{};
    const auto x = batches::normal<own_batch>(context, 2, n, 21, 0.8);
    auto map = diamond::glass_diamond_map(schedule, diamond::exact_divergence{mixture(schedule)},
                                          diamond::runge_kutta_4{.steps = 64}, any_schedule{});
    diamond::diamond_map_posterior posterior(map);
    diamond::early_stop_kernel kernel(map);
    own_batch drawn(context, 2, n * samples), next(context, 2, n);
    diamond::rebind_t<own_batch, double> told(context, 1, n * samples), given(context, 1, n * samples);
    // the map's inverse magnifies rounding; and the solver's error
    const double tolerance = 64 * back_end::tolerance + 1e-6;
    posterior.draw_with_density(x, 0.4, none, stream(samples), drawn, diamond::row(told));
    posterior.log_density(x, 0.4, none, drawn, diamond::row(given));
    CHECK(largest_error(batches::host(told), batches::host(given)) < tolerance);
    CHECK(largest_error(batches::host(told), by_bayes(schedule, mixture_density, batches::host(x),
                                                      batches::host(drawn), 2, {0.4, 1.0})) < tolerance);
    told.resize(context, 1, n);
    given.resize(context, 1, n);
    kernel.draw_with_density(x, {0.4, 0.7}, none, stream(), next, diamond::row(told));
    kernel.log_density(x, {0.4, 0.7}, none, next, diamond::row(given));
    CHECK(largest_error(batches::host(told), batches::host(given)) < tolerance);
    CHECK(largest_error(batches::host(told), by_bayes(schedule, mixture_density, batches::host(x),
                                                      batches::host(next), 2, {0.4, 0.7})) < tolerance);
}

TEST_CASE("a posterior at t = 1 is a point, and is refused") {
    const auto context = back_ends::eigen<double>::make(1);
    const models::gaussian_numbers n;
    diamond::diamond_map_posterior posterior(diamond::gaussian_diamond_map(
        diamond::gaussian<batch, any_schedule>(context, any_schedule{}, n.mean, n.covariance),
        any_schedule{}));
    batch x(context, 3, 2), z(context, 3, 2);
    batch told(context, 1, 2);
    CHECK_THROWS_WITH_AS(posterior.draw_with_density(x, 1.0, none, stream(), z, diamond::row(told)),
                         doctest::Contains("point"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(posterior.log_density(x, 1.0, none, z, diamond::row(told)),
                         doctest::Contains("point"), std::invalid_argument);
}

} // namespace map_densities_test
