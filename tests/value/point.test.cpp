#include <limits>

#include <diamond/map/ode_flow_map.hpp>
#include <diamond/value/point_values.hpp>

#include "estimates.hpp"
#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"
#include "tilts.hpp"

namespace value_point_test {

using diamond::index_t;
using diamond::time_view;
using estimates::guidance, estimates::values;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using tilts::point;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr diamond::no_condition none;

template <class Batch>
auto denoised(const any_schedule& schedule, const tilts::reward& r = {}) {
    return diamond::denoised_value(schedule, models::mixture<Batch, any_schedule>(schedule), r);
}
template <class Batch>
auto look_ahead(const any_schedule& schedule, index_t steps = 4, const tilts::reward& r = {}) {
    return diamond::look_ahead_value(schedule,
                                     diamond::ode_flow_map(models::mixture<Batch, any_schedule>(schedule),
                                                           diamond::runge_kutta_4{.steps = steps}),
                                     r);
}

} // namespace

TEST_CASE_TEMPLATE("point values are the reward of D(x, t) and of X_{t,1}(x), on every back end", back_end,
                   BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 7;
    const tilts::reward r;
    const auto x = batches::normal<own_batch>(context, 2, n, 1);
    const auto at = batches::host(x);
    for (const auto kind : schedules::every_kind)
        for (const double t : {0.0, 0.4, 0.9, 1.0}) {
            const any_schedule schedule{kind};
            CAPTURE(std::string(schedule.name()));
            CAPTURE(t);
            auto by_denoiser = denoised<own_batch>(schedule);
            auto by_map = look_ahead<own_batch>(schedule);
            own_batch ahead(context, 2, n);
            diamond::ode_flow_map(models::mixture<own_batch, any_schedule>(schedule),
                                  diamond::runge_kutta_4{.steps = 4})(x, {t, 1.0}, none, ahead);
            const auto end = batches::host(ahead);
            std::vector<double> wanted, wanted_ahead;
            for (std::size_t j = 0; j < n; ++j) {
                // D read from the velocity, which knows the schedule as it is
                const auto here = models::mixture_point({}, schedule.alpha(t),
                                                        diamond::square(schedule.sigma(t)), &at[2 * j]);
                wanted.push_back(
                    r(diamond::column_view<const double>(t < 1.0 ? here.denoiser : &at[2 * j], 2)));
                wanted_ahead.push_back(
                    r(diamond::column_view<const double>(t < 1.0 ? &end[2 * j] : &at[2 * j], 2)));
            }
            const auto found = values(by_denoiser, x, t, estimates::stream()),
                       found_ahead = values(by_map, x, t, estimates::stream());
            CHECK(largest_error(found.value, wanted) < 4 * back_end::tolerance);
            CHECK(largest_error(found_ahead.value, wanted_ahead) < 4 * back_end::tolerance);
            for (const auto& result : {found, found_ahead})
                for (std::size_t j = 0; j < n; ++j)
                    CHECK((std::isnan(result.standard_error[j]) && std::isnan(result.ess[j]) &&
                           std::isnan(result.ess_base[j])));
            CHECK(by_denoiser.spent() == diamond::cost{.forward = t < 1.0 ? n : 0, .reward = n});
            CHECK(by_map.spent() == diamond::cost{.forward = t < 1.0 ? 16 * n : 0, .reward = n});
        }
}

TEST_CASE("point values are biased, and say nothing else") {
    const auto context = back_ends::eigen<double>::make(1);
    const tilts::reward r;
    const any_schedule schedule{};
    const point at{0.4, -0.3};
    const auto x = batches::repeat<batch>(context, 1, {at[0], at[1]});
    const double truth = tilts::exact_value(schedule, r, at, 0.4).value;
    auto by_denoiser = denoised<batch>(schedule);
    auto by_map = look_ahead<batch>(schedule, 32);
    const double a = values(by_denoiser, x, 0.4, estimates::stream()).value[0],
                 b = values(by_map, x, 0.4, estimates::stream()).value[0];
    MESSAGE("V " << truth << "; r(D) " << a << ", r(X) " << b);
    CHECK(std::abs(a - truth) > 0.05);
    CHECK(std::abs(b - truth) > 0.05);
    // For a linear reward the denoised value misses the posterior's spread and is too low (Jensen).
    const tilts::reward linear{.c = {0.9, -0.6}, .q = {0.0, 0.0}};
    auto jensen = denoised<batch>(schedule, linear);
    CHECK(values(jensen, x, 0.4, estimates::stream()).value[0] <
          tilts::exact_value(schedule, linear, at, 0.4).value);
    // Near the data all agree.
    CHECK(std::abs(values(by_denoiser, x, 0.99, estimates::stream()).value[0] -
                   tilts::exact_value(schedule, r, at, 0.99).value) < 1e-3);
}

namespace {
/// What guidance is of the estimate's gradient: b, and for the look-ahead the signal's share of it.
template <class Estimator>
double factor_of(const Estimator&, const any_schedule& schedule, double t) {
    const double signal = schedule.alpha(t) / std::hypot(schedule.alpha(t), schedule.sigma(t));
    return diamond::guidance_factor(schedule, t) *
           (requires { requires Estimator::begins_after_noise; } ? 1.0 : signal);
}
} // namespace

TEST_CASE(
    "their guidance is b times the derivative of the estimate, of the look-ahead times the signal's share") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 5;
    constexpr double h = 1e-6;
    const auto x = batches::normal<batch>(context, 2, n, 2);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const auto check = [&](auto estimator) {
            for (const double t : {0.1, 0.6, 0.95}) {
                const auto found = guidance(estimator, x, t, estimates::stream());
                for (std::size_t i = 0; i < 2; ++i) {
                    auto high = batches::host(x), low = high;
                    for (std::size_t j = 0; j < n; ++j) {
                        high[i + 2 * j] += h;
                        low[i + 2 * j] -= h;
                    }
                    const auto above = values(estimator, batches::make<batch>(context, 2, n, high), t,
                                              estimates::stream())
                                           .value;
                    const auto below = values(estimator, batches::make<batch>(context, 2, n, low), t,
                                              estimates::stream())
                                           .value;
                    for (std::size_t j = 0; j < n; ++j) {
                        const double difference = factor_of(estimator, schedule, t) * (above[j] - below[j]) /
                                                  (2.0 * h);
                        // truncation h^2 times third derivatives, rounding 1e-15/h, both times b up to 10
                        CHECK(std::abs(found[i + 2 * j] - difference) < 2e-7 * (1.0 + std::abs(difference)));
                    }
                }
            }
            // At t = 1: b(1) grad r.
            batch slope(context, 2, n);
            tilts::reward{}.gradient(x.read(), slope.mutable_view());
            auto wanted = batches::host(slope);
            for (double& g : wanted) g *= diamond::final_guidance_factor(schedule);
            CHECK(largest_error(guidance(estimator, x, 1.0, estimates::stream()), wanted) < 1e-12);
            if constexpr (requires { requires decltype(estimator)::begins_after_noise; }) {
                CHECK_THROWS_WITH_AS(guidance(estimator, x, 0.0, estimates::stream()),
                                     doctest::Contains("b is infinite"), std::invalid_argument);
            } else { // the limit
                const auto at = guidance(estimator, x, 0.0, estimates::stream()),
                           after = guidance(estimator, x, 1e-7, estimates::stream());
                CHECK(largest_error(at, after) <
                      1e-4 * (1.0 + largest_error(at, std::vector<double>(at.size(), 0.0))));
            }
            batch wide(context, 2, n + 1);
            CHECK_THROWS_WITH_AS(estimator.guidance(x, 0.5, none, estimates::stream(), wide),
                                 doctest::Contains("2 x 6"), std::invalid_argument);
            for (const double t : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
                CHECK_THROWS_WITH_AS(values(estimator, x, t, estimates::stream()),
                                     doctest::Contains("[0, 1]"), std::invalid_argument);
                CHECK_THROWS_AS(guidance(estimator, x, t, estimates::stream()), std::invalid_argument);
            }
            CHECK_THROWS_AS(
                values(estimator, batches::normal<batch>(context, 3, n, 2), 0.5, estimates::stream()),
                std::invalid_argument);
        };
        check(denoised<batch>(schedule));
        check(look_ahead<batch>(schedule));
    }
}

} // namespace value_point_test
