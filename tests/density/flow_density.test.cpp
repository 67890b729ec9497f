/// Marginal densities by flow maps with divergence, read by other schedules, and with scores by a velocity:
/// against Gaussians by dense algebra and a mixture by its sum.
#include <diamond/density/exact_density.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/density/jacobian_network.hpp>
#include <diamond/density/rescheduled_density.hpp>
#include <diamond/density/scored_density.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/bent_map.hpp"
#include "support/crooked_network.hpp"
#include "support/densities.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace density_flow_density_test {

using diamond::index_t, diamond::interval, diamond::flow_density;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;
using list = std::vector<double>;

namespace {

constexpr diamond::no_condition none;
constexpr index_t n = 12;

template <class Batch>
diamond::gaussian<Batch, any_schedule> gaussian(const diamond::backend_of_t<Batch>& context,
                                                const any_schedule& schedule) {
    const models::gaussian_numbers numbers;
    return {context, schedule, numbers.mean, numbers.covariance};
}
template <class Batch>
using closed = flow_density<diamond::gaussian_flow_map<Batch, any_schedule>>;
template <class Batch>
auto closed_density(const diamond::backend_of_t<Batch>& context, const any_schedule& schedule) {
    return closed<Batch>(diamond::gaussian_flow_map(gaussian<Batch>(context, schedule)));
}
/// - (alpha^2 C + sigma^2 I)^-1 (x - alpha mu), column by column.
list gaussian_score(const list& x, diamond::noise_level level) {
    const models::gaussian_numbers numbers;
    const auto total = diamond::square(level.alpha) * small::matrix(3, 3, numbers.covariance) +
                       small::matrix::identity(3, diamond::square(level.sigma));
    small::matrix miss(3, x.size() / 3, x);
    for (std::size_t j = 0; j < miss.columns; ++j)
        for (std::size_t i = 0; i < 3; ++i) miss(i, j) -= level.alpha * numbers.mean[i];
    const auto solved = small::solve(total, miss).x;
    list result;
    for (const auto entry : solved.entries) result.push_back(static_cast<double>(-entry));
    return result;
}
template <class Density, class Batch>
list log_p(Density& density, const Batch& x, double t) {
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    density(x.read(), t, none, row(out));
    return batches::host(out);
}
template <class Density, class Batch>
list score(Density& density, const Batch& x, double t) {
    Batch out(x.context(), x.rows(), x.columns());
    density.score(x.read(), t, none, out.mutable_view());
    return batches::host(out);
}

} // namespace

TEST_CASE_TEMPLATE("log p and score of the closed joint map, at every time, in one jump and in three",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<own_batch>(context, 3, n, 1, 0.8);
    // In float, X_{t,0} rounds x, and narrow directions magnify that.
    const double tolerance = std::max(1e-10, 64 * back_end::tolerance);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        if (schedule.noisy_start()) continue; // below
        CAPTURE(std::string(schedule.name()));
        auto one = closed_density<own_batch>(context, schedule);
        flow_density three(diamond::stepped_flow_map(
            diamond::gaussian_flow_map(gaussian<own_batch>(context, schedule)), {.steps = 3}));
        CHECK(one.exact());
        CHECK(three.exact());
        for (const double t : {0.0, 0.3, 0.8, 1.0}) {
            CAPTURE(t);
            const auto level = diamond::level_at(schedule, t);
            const auto wanted = densities::gaussian(batches::host(x), level.alpha, level.sigma),
                       slope = gaussian_score(batches::host(x), level);
            CHECK(largest_error(log_p(one, x, t), wanted) < tolerance);
            CHECK(largest_error(log_p(three, x, t), wanted) < tolerance);
            CHECK(largest_error(score(one, x, t), slope) < tolerance);
            CHECK(largest_error(score(three, x, t), slope) < tolerance);
        }
        CHECK(one.spent() == diamond::cost{.forward = 6 * n, .vjp = 3 * n}); // nothing at t = 0
        // a score: three, then two for the states and three vjp
        CHECK(three.spent() == diamond::cost{.forward = 3 * n * (3 + 3 + 2), .vjp = 9 * n});
    }
}

TEST_CASE("a schedule that begins with a little data: not exact, and off by the order of alpha(0)") {
    const auto context = back_ends::eigen<double>::make(1);
    const any_schedule schedule{schedules::kind::variance_preserving};
    auto density = closed_density<batch>(context, schedule);
    CHECK_FALSE(density.exact());
    const auto x = batches::normal<batch>(context, 3, n, 1, 0.8);
    for (const double t : {0.3, 0.8, 1.0}) {
        const auto level = diamond::level_at(schedule, t);
        const double off = largest_error(log_p(density, x, t),
                                         densities::gaussian(batches::host(x), level.alpha, level.sigma));
        // log N(x; alpha mu, I) - log N(x; 0, I) = alpha mu . x + ...: |mu| = 1.5, and |x_0| below 4
        CHECK(off < 6.0 * schedule.alpha(0.0));
        CHECK(off > 0.02 * schedule.alpha(0.0));
    }
    CHECK(largest_error(log_p(density, x, 0.0), densities::gaussian(batches::host(x), 0.0, 1.0)) <
          1e-14); // where kernels take time 0 to be pure noise
}

TEST_CASE_TEMPLATE("of a mixture by an ODE's joint map", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    using mixture = models::mixture<own_batch, any_schedule>;
    const any_schedule schedule{};
    flow_density density(diamond::ode_flow_map(diamond::exact_divergence{mixture(schedule)},
                                               diamond::runge_kutta_4{.steps = 100}));
    static_assert(diamond::marginal_density<decltype(density)> &&
                  !diamond::scored_marginal_density<decltype(density)>);
    CHECK_FALSE(density.exact());
    const auto x = batches::normal<own_batch>(context, 2, n, 2);
    const auto at = batches::host(x);
    for (const double t : {0.0, 0.4, 0.9}) {
        list wanted;
        for (std::size_t j = 0; j < n; ++j)
            wanted.push_back(models::mixture_point({}, t, diamond::square(1.0 - t), &at[2 * j]).log_density);
        CHECK(largest_error(log_p(density, x, t), wanted) < 1e-6 + 64 * back_end::tolerance);
    }
}

namespace {
/// The bent map as the way from data at t = 1 to noise: X_{1,0} = y(x) and m = - log det dy/dx, so log p_1(x)
/// = log N(y; 0, I) + log det.
struct bent_backwards {
    using batch_type = density_flow_density_test::batch;
    bent::map<density_flow_density_test::batch> of;
    [[nodiscard]] index_t dimension() const { return of.d; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return of.spent(); }
    void operator()(diamond::const_view_t<density_flow_density_test::batch> x, interval,
                    diamond::no_condition, diamond::view_t<density_flow_density_test::batch> out) {
        of(x, {0.0, 1.0}, none, out);
    }
    void operator()(diamond::const_view_t<density_flow_density_test::batch> x, interval,
                    diamond::no_condition, diamond::view_t<density_flow_density_test::batch> out,
                    diamond::row_t<batch_type> m) {
        of(x, {0.0, 1.0}, none, out, m);
        for (index_t j = 0; j < x.columns(); ++j) m[j] = -m[j];
    }
    void vjp(diamond::const_view_t<density_flow_density_test::batch> x, interval, diamond::no_condition,
             diamond::const_view_t<density_flow_density_test::batch> cotangent,
             diamond::const_row_t<batch_type> of_m, diamond::view_t<density_flow_density_test::batch> out) {
        batch minus(x.context(), 1, x.columns());
        assign(row(minus), -of_m);
        of.vjp(x, {0.0, 1.0}, none, cotangent, row(minus), out);
    }
};
double bent_log_p(double x, double y) {
    const double first = x + bent::a * std::sin(x), second = y + bent::a * std::sin(y) + bent::b * x * x;
    return -0.5 * (first * first + second * second) - std::log(2.0 * diamond::pi) +
           std::log(1.0 + bent::a * std::cos(x)) + std::log(1.0 + bent::a * std::cos(y));
}
} // namespace

TEST_CASE("of a map whose divergence depends on where it begins: density in closed form, score by "
          "differences; a head's gradient turned round is seen") {
    const auto context = back_ends::eigen<double>::make(1);
    flow_density right(bent_backwards{{.d = 2}}), wrong(bent_backwards{{.d = 2, .sign = -1.0}});
    static_assert(diamond::scored_marginal_density<decltype(right)>);
    const auto x = batches::normal<batch>(context, 2, n, 3);
    const auto at = batches::host(x);
    list wanted, slope;
    for (std::size_t j = 0; j < n; ++j) {
        constexpr double h = 1e-5;
        const double a = at[2 * j], b = at[2 * j + 1];
        wanted.push_back(bent_log_p(a, b));
        slope.push_back((bent_log_p(a + h, b) - bent_log_p(a - h, b)) / (2.0 * h));
        slope.push_back((bent_log_p(a, b + h) - bent_log_p(a, b - h)) / (2.0 * h));
    }
    CHECK(largest_error(log_p(right, x, 1.0), wanted) < 1e-13);
    CHECK(largest_error(score(right, x, 1.0), slope) < 1e-8);
    CHECK(largest_error(score(wrong, x, 1.0), slope) > 1e-2);
}

TEST_CASE("what is not the noise of a schedule is refused, and so are times beyond [0, 1]") {
    const auto context = back_ends::eigen<double>::make(1);
    const diamond::jacobian_network network(crooked::network<batch>{});
    CHECK_THROWS_WITH_AS(flow_density(diamond::network_flow_map(network, {.base_deviation = 2.0})),
                         doctest::Contains("noise of deviation 2:"), std::invalid_argument);
    CHECK_NOTHROW(flow_density(diamond::network_flow_map(network)));
    CHECK_THROWS_AS(
        flow_density(diamond::stepped_flow_map(diamond::network_flow_map(network, {.base_deviation = 2.0}))),
        std::invalid_argument);
    auto density = closed_density<batch>(context, {});
    const auto x = batches::normal<batch>(context, 3, n, 4);
    for (const double t : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THROWS_AS(log_p(density, x, t), std::invalid_argument);
        CHECK_THROWS_AS(score(density, x, t), std::invalid_argument);
        diamond::rescheduled_density other(density, any_schedule{});
        CHECK_THROWS_AS(log_p(other, x, t), std::invalid_argument);
    }
}

TEST_CASE("a density of one schedule read by another's, all pairs: the other's own") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 3, n, 5, 0.8);
    for (const auto theirs : schedules::every_kind)
        for (const auto ours : schedules::every_kind) {
            const any_schedule own{theirs}, read{ours};
            CAPTURE(std::string(own.name()));
            CAPTURE(std::string(read.name()));
            diamond::rescheduled_density density(diamond::exact_density(own, gaussian<batch>(context, own)),
                                                 read);
            static_assert(diamond::scored_marginal_density<decltype(density)>);
            CHECK(density.exact() == !own.noisy_start());
            CHECK(density.schedule().which == ours);
            for (const double t : {0.0, 0.05, 0.35, 0.8, 0.999, 1.0}) {
                CAPTURE(t);
                const auto level = diamond::level_at(read, t);
                // A schedule that begins at alpha(0) > 0 is read as pure noise at time 0 by kernels, and as
                // it is by densities.
                const double tolerance = t == 0.0 && own.noisy_start() ? 0.03 : 1e-10;
                CHECK(largest_error(log_p(density, x, t), densities::gaussian(batches::host(x), level.alpha,
                                                                              level.sigma)) < tolerance);
                CHECK(largest_error(score(density, x, t), gaussian_score(batches::host(x), level)) <
                      tolerance);
            }
            CHECK(density.spent() == diamond::cost{.forward = 12 * n});
        }
    // and of a flow map with divergence, whose schedule need not be the kernel's
    diamond::rescheduled_density joint(closed_density<batch>(context, {}),
                                       any_schedule{schedules::kind::variance_preserving});
    for (const double t : {0.35, 0.8, 1.0}) {
        const auto level = diamond::level_at(any_schedule{schedules::kind::variance_preserving}, t);
        CHECK(largest_error(log_p(joint, x, t),
                            densities::gaussian(batches::host(x), level.alpha, level.sigma)) < 1e-10);
        CHECK(largest_error(score(joint, x, t), gaussian_score(batches::host(x), level)) < 1e-10);
    }
    CHECK(joint.exact());
    // not the same thing as the density at the same time, nor without the change of units
    auto straight = closed_density<batch>(context, {});
    const auto level = diamond::level_at(any_schedule{schedules::kind::variance_preserving}, 0.5);
    CHECK(largest_error(log_p(straight, x, 0.5),
                        densities::gaussian(batches::host(x), level.alpha, level.sigma)) > 0.1);
}

TEST_CASE_TEMPLATE("rescheduled on every back end", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<own_batch>(context, 3, n, 5, 0.8);
    const any_schedule read{schedules::kind::trigonometric};
    diamond::rescheduled_density density(closed_density<own_batch>(context, {}), read);
    const auto level = diamond::level_at(read, 0.6);
    CHECK(largest_error(log_p(density, x, 0.6), densities::gaussian(batches::host(x), level.alpha,
                                                                    level.sigma)) < 32 * back_end::tolerance);
    CHECK(largest_error(score(density, x, 0.6), gaussian_score(batches::host(x), level)) <
          32 * back_end::tolerance);
}

TEST_CASE_TEMPLATE("a density of one model with the score of another's velocity", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const any_schedule schedule{};
    using mixture = models::mixture<own_batch, any_schedule, models::nothing>; // knows its velocity alone
    flow_density by_ode(diamond::ode_flow_map(diamond::exact_divergence{mixture(schedule)},
                                              diamond::runge_kutta_4{.steps = 10}));
    diamond::scored_density density(by_ode, mixture(schedule));
    static_assert(diamond::scored_marginal_density<decltype(density)>);
    CHECK_FALSE(density.exact());
    const auto x = batches::normal<own_batch>(context, 2, n, 6);
    const auto at = batches::host(x);
    CHECK(numbers::same_bits(log_p(density, x, 0.5), log_p(by_ode, x, 0.5)));
    list wanted;
    for (std::size_t j = 0; j < n; ++j) {
        const models::mixture_point point({}, 0.5, 0.25, &at[2 * j]);
        wanted.insert(wanted.end(), point.score, point.score + 2);
    }
    CHECK(largest_error(score(density, x, 0.5), wanted) < 8 * back_end::tolerance);
    CHECK(density.spent() == by_ode.spent() + diamond::cost{.forward = n});
    CHECK_THROWS_AS(score(density, x, 1.0), std::invalid_argument); // N/sigma is 0/0
    diamond::scored_density scored(closed_density<own_batch>(context, schedule),
                                   gaussian<own_batch>(context, schedule));
    CHECK(scored.exact());
    const auto solid = batches::normal<own_batch>(context, 3, n, 7, 0.8);
    CHECK(largest_error(score(scored, solid, 1.0), gaussian_score(batches::host(solid), {1.0, 0.0})) <
          32 * back_end::tolerance); // such a field knows its own
    CHECK_THROWS_WITH_AS(
        diamond::scored_density(closed_density<own_batch>(context, schedule), mixture(schedule)),
        "a density of dimension 3 with the score of a velocity of dimension 2", std::invalid_argument);
}

} // namespace density_flow_density_test
