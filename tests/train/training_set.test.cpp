// The law of training states: moments of x_t and xbar given the times, the shares at zero, and the times
// themselves.
#include <cmath>
#include <vector>

#include <diamond/schedule/trigonometric.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace train_training_set_test {

using diamond::index_t, diamond::philox;

namespace {
struct copy_label {
    diamond::labels from;
    std::int32_t* to;
    DIAMOND_HD void operator()(index_t j) const { to[j] = from[j]; }
};
} // namespace

TEST_CASE_TEMPLATE("training states have the law they say", back, BACK_ENDS) {
    // One point (1, -2) with bandwidth 0.5: z ~ N(point, 0.25 I). Every mean below is of 20,000 columns or
    // the share of them that it concerns, and within 4.5 standard errors of its expectation (7 in a million
    // each, some 20 of them).
    using batch = typename back::batch;
    using real = typename back::real;
    const auto context = back::make(2);
    const diamond::training_set<batch> data(diamond::from_host<real>(context, 2, 1, {1, -2}), 0.5, {3});
    diamond::training_states<batch> states;
    const index_t n = 20'000, diagonal = 5'000;
    const auto draw = [&](auto& into, index_t step) {
        into.draw(data, diamond::trigonometric_schedule{}, diamond::uniform_time{.at_zero = 0.2},
                  diamond::triangle_pair{.at_zero = 0.3, .at_one = 0.5}, philox{1}, step,
                  {.columns = n, .diagonal = diagonal, .condition_dropout = 0.4});
    };
    draw(states, 7);
    const auto t = diamond::to_host(states.t), s = diamond::to_host(states.s), r = diamond::to_host(states.r);
    const auto x_t = diamond::to_host(states.x_t), xbar = diamond::to_host(states.xbar),
               velocity = diamond::to_host(states.velocity);
    diamond::owning_batch<std::int32_t, typename back::context> labels(context, 1, n);
    context.for_each(n, copy_label{states.label, labels.data()});
    const auto label = diamond::to_host(labels);
    const auto near = [](const statistics::estimate& e, double expected) {
        return std::abs(e.value - expected) <= 4.5 * e.standard_error;
    };
    const auto mean = [&](const auto& f) {
        return statistics::average(
            n, [&](index_t j) { return static_cast<double>(f(static_cast<std::size_t>(j))); });
    };

    CHECK(near(mean([&](std::size_t j) { return t[j] == 0.0; }), 0.2));
    CHECK(near(mean([&](std::size_t j) { return label[j] == diamond::labels::unconditional; }), 0.4));
    CHECK(near(mean([&](std::size_t j) { return label[j] == 3; }), 0.6));
    index_t zero = 0, whole = 0;
    for (std::size_t j = 0; j < t.size(); ++j) {
        if (j < static_cast<std::size_t>(diagonal)) CHECK(r[j] == s[j]);
        CHECK(s[j] <= r[j]);
        if (t[j] == 0.0) CHECK((x_t[2 * j] == 0 && x_t[2 * j + 1] == 0)); // what callers pass, too
        zero += j >= static_cast<std::size_t>(diagonal) && s[j] == 0.0;
        whole += j >= static_cast<std::size_t>(diagonal) && s[j] == 0.0 && r[j] == 1.0;
    }
    const double off = static_cast<double>(n - diagonal);
    CHECK(std::abs(static_cast<double>(zero) / off - 0.3) < 4.5 * std::sqrt(0.21 / off));
    CHECK(std::abs(static_cast<double>(whole) / off - 0.15) < 4.5 * std::sqrt(0.1275 / off));
    for (const std::size_t i : {0U, 1U}) {
        const double point = i == 0 ? 1.0 : -2.0;
        const auto at = [i](const auto& host, std::size_t j) { return static_cast<double>(host[2 * j + i]); };
        // residuals from what each state is given its times, standardised: mean 0, square 1
        const auto state = [&](std::size_t j) {
            const double a = std::sin(diamond::pi * t[j] / 2), b = std::cos(diamond::pi * t[j] / 2);
            return t[j] == 0.0 ? 0.0 : (at(x_t, j) - a * point) / std::sqrt(a * a * 0.25 + b * b);
        };
        const auto inner = [&](std::size_t j) {
            return (at(xbar, j) - s[j] * point) / std::sqrt(s[j] * s[j] * 0.25 + (1 - s[j]) * (1 - s[j]));
        };
        CHECK(near(mean(state), 0.0));
        CHECK(near(mean([&](std::size_t j) { return t[j] == 0.0 ? 1.0 : state(j) * state(j); }), 1.0));
        CHECK(near(mean(inner), 0.0));
        CHECK(near(mean([&](std::size_t j) { return inner(j) * inner(j); }), 1.0));
        // z = xbar + (1 - s) velocity is shared by x_t and xbar; their noises are not
        const auto z = [&](std::size_t j) { return at(xbar, j) + (1 - s[j]) * at(velocity, j); };
        const auto noise = [&](std::size_t j) { return at(xbar, j) - s[j] * at(velocity, j); };
        CHECK(near(mean([&](std::size_t j) { return z(j) - point; }), 0.0));
        CHECK(near(mean([&](std::size_t j) { return (z(j) - point) * noise(j); }), 0.0));
        CHECK(near(mean([&](std::size_t j) {
                       return (at(x_t, j) - (t[j] == 0.0 ? 0.0 : std::sin(diamond::pi * t[j] / 2) * z(j))) *
                              noise(j);
                   }),
                   0.0));
    }
    // The same step is the same draw, another is another.
    diamond::training_states<batch> again;
    draw(again, 7);
    CHECK(diamond::to_host(again.xbar) == xbar);
    draw(again, 8);
    CHECK(diamond::to_host(again.xbar) != xbar);
}

TEST_CASE("time samplers") {
    // logit-normal: its logit has the mean and deviation asked for, to the 4 digits of the quantile
    const diamond::logit_normal_time sampler{.at_zero = 0.0, .mean = 0.4, .deviation = 1.3};
    const index_t n = 20'000;
    const auto logit = [&](index_t j) {
        // The times of a grid of quantiles.
        const double t = sampler(0.5, (static_cast<double>(j) + 0.5) / static_cast<double>(n));
        return std::log(t / (1.0 - t));
    };
    CHECK(statistics::average(n, logit).value == doctest::Approx(0.4).epsilon(1e-3));
    CHECK(std::sqrt(statistics::average(n, [&](index_t j) {
                        return diamond::square(logit(j) - 0.4);
                    }).value) == doctest::Approx(1.3).epsilon(2e-3));
    CHECK(diamond::logit_normal_time{.at_zero = 0.3}(0.2, 0.9) == 0.0);
    const auto pair = diamond::square_pair{.at_zero = 0.0}(0.5, 0.9, 0.2);
    CHECK(pair.from == 0.9);
    CHECK(pair.to == 0.2); // either direction
}

} // namespace train_training_set_test
