// Rewards that fail: each estimator says where, and is as good as before afterwards.
#include <limits>
#include <stdexcept>

#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include "estimates.hpp"
#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"
#include "tilts.hpp"

namespace value_bad_rewards_test {

using diamond::index_t;
using estimates::guidance, estimates::values;
using any_schedule = schedules::any; // any is a function of CUDA's

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// What the reward does on its `at`-th call (from 0), told from outside; its calls are counted, for it may
/// keep state.
struct plan {
    enum class failure { none, value, thrown, gradient } what = failure::none;
    index_t at = 0;
    double value = nan_value;
    index_t calls = 0;
};
struct failing_reward {
    plan* p;

    template <class Column>
    double operator()(const Column& z) const {
        const index_t call = p->calls++;
        if (call == p->at) {
            if (p->what == plan::failure::value) return p->value;
            if (p->what == plan::failure::thrown) throw std::domain_error("no ink left");
        }
        return tilts::reward{}(z);
    }
    template <class ConstView, class View>
    void gradient(ConstView z, View out) const {
        if (p->what == plan::failure::gradient) throw std::domain_error("no slope left");
        tilts::reward{}.gradient(z, out);
    }
};
/// A failing reward that says, rightly or wrongly, that it is linear, as the exact value asks.
struct failing_linear_reward : failing_reward {
    [[nodiscard]] diamond::quadratic_form quadratic_form() const { return {.linear = {0.1, 0.2}}; }
};
/// A failing reward of a whole batch at once, which cannot say which particle it was.
struct failing_batch_reward {
    plan* p;
    template <class View>
    void operator()(View z, diamond::row_view<double, typename View::context_type> values) const {
        if (p->what == plan::failure::thrown) throw std::domain_error("no ink left");
        for (index_t j = 0; j < z.columns(); ++j) values[j] = tilts::reward{}(z.column(j));
        if (p->what == plan::failure::value) values[p->at] = p->value;
    }
};

/// The step and particle that the call's numeric_error names, and what is nested in it.
struct failure_report {
    long step = -2, particle = -2;
    std::string what, nested;
};
template <class Call>
failure_report fails(const Call& call) {
    failure_report report;
    try {
        call();
    } catch (const diamond::numeric_error& error) {
        report = {error.step(), error.particle(), error.what(), ""};
        try {
            std::rethrow_if_nested(error);
        } catch (const std::domain_error& inner) {
            report.nested = inner.what();
        }
    }
    return report;
}

template <class Batch>
auto sampler() {
    return diamond::diamond_map_posterior(
        diamond::glass_diamond_map(any_schedule{}, models::mixture<Batch, any_schedule>(any_schedule{}),
                                   diamond::heun{.steps = 2}, any_schedule{}));
}
template <class Batch>
auto flow() {
    return diamond::ode_flow_map(models::mixture<Batch, any_schedule>(any_schedule{}),
                                 diamond::heun{.steps = 2});
}

/// NaN, +inf and exceptions name step 3 and particle 2 of `samples` samples each, from value and guidance,
/// and leave the estimator as it was.
template <class Batch, class Estimator>
void check_failures(const diamond::backend_of_t<Batch>& context, Estimator estimator, plan& p,
                    index_t samples, double t, bool pointwise) {
    using failure = plan::failure;
    const auto x = batches::normal<Batch>(context, 2, 4, 1);
    p = {};
    const auto before = values(estimator, x, t, estimates::stream(3)).value;
    const index_t third = 2 * samples + (samples - 1); // the last sample of particle 2
    const auto run = [&](plan now, bool guide) {
        p = now;
        return fails([&] {
            guide ? void(guidance(estimator, x, t, estimates::stream(3)))
                  : void(values(estimator, x, t, estimates::stream(3)));
        });
    };
    for (const bool guide : {false, true}) {
        if (guide && t == 1.0) continue; // asks for no value
        CAPTURE(guide);
        for (const double bad : {nan_value, diamond::infinity}) {
            const auto report = run({.what = failure::value, .at = third, .value = bad}, guide);
            CHECK(report.step == 3);
            CHECK(report.particle == 2);
            CHECK(report.what.find("-inf to forbid") != std::string::npos);
        }
        const auto thrown = run({.what = failure::thrown, .at = third}, guide);
        CHECK(thrown.step == 3);
        CHECK(thrown.particle == (pointwise ? 2 : -1));
        CHECK(thrown.nested == "no ink left");
        CHECK(thrown.what.find("no ink left") != std::string::npos);
    }
    p = {};
    CHECK(values(estimator, x, t, estimates::stream(3)).value == before);
}

} // namespace

TEST_CASE_TEMPLATE("NaN, +inf and exceptions name step and particle, and leave the estimator intact",
                   back_end, HOST_BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    plan p;
    for (const double t : {0.0, 0.5}) {
        for (const index_t samples : {2, 3}) {
            check_failures<batch>(
                context, diamond::posterior_value(sampler<batch>(), failing_reward{&p}, {.samples = samples}),
                p, samples, t, true);
            check_failures<batch>(
                context,
                diamond::posterior_value(sampler<batch>(), failing_batch_reward{&p}, {.samples = samples}), p,
                samples, t, false);
        }
    }
    check_failures<batch>(context,
                          diamond::posterior_value(sampler<batch>(), failing_reward{&p}, {.samples = 3}), p,
                          1, 1.0, true);
}

TEST_CASE("and so for every other estimator") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const auto density = diamond::exact_density(any_schedule{},
                                                models::mixture<batch, any_schedule>(any_schedule{}));
    plan p;
    // point values do not ask for values when they guide
    const auto value_only = [&](auto estimator, double t) {
        const auto x = batches::normal<batch>(context, 2, 4, 1);
        p = {};
        const auto before = values(estimator, x, t, estimates::stream(3)).value;
        for (const double bad : {nan_value, diamond::infinity}) {
            p = {.what = plan::failure::value, .at = 2, .value = bad};
            const auto report = fails([&] { values(estimator, x, t, estimates::stream(3)); });
            CHECK(report.step == 3);
            CHECK(report.particle == 2);
        }
        p = {.what = plan::failure::thrown, .at = 2};
        const auto report = fails([&] { values(estimator, x, t, estimates::stream(3)); });
        CHECK(report.particle == 2);
        CHECK(report.nested == "no ink left");
        p = {};
        CHECK(values(estimator, x, t, estimates::stream(3)).value == before);
    };
    check_failures<batch>(
        context, diamond::pathwise_posterior_value(sampler<batch>(), failing_reward{&p}, {.samples = 2}), p,
        2, 0.5, true);
    for (const double t : {0.0, 0.5})
        check_failures<batch>(
            context, diamond::weighted_value(density, flow<batch>(), failing_reward{&p}, {.samples = 3}), p,
            3, t, true);
    for (const double t : {0.5, 1.0}) {
        value_only(diamond::denoised_value(any_schedule{},
                                           models::mixture<batch, any_schedule>(any_schedule{}),
                                           failing_reward{&p}),
                   t);
        value_only(diamond::look_ahead_value(any_schedule{}, flow<batch>(), failing_reward{&p}), t);
    }
    check_failures<batch>(context,
                          diamond::weighted_value(density, flow<batch>(), failing_reward{&p}, {.samples = 3}),
                          p, 1, 1.0, true);
    value_only(diamond::exact_value(diamond::gaussian<batch, any_schedule>(context, any_schedule{},
                                                                           {0.0, 0.0}, {1.0, 0.0, 0.0, 1.0}),
                                    failing_linear_reward{{&p}}),
               1.0);

    // A gradient that throws.
    const auto x = batches::normal<batch>(context, 2, 4, 1);
    const auto slope = [&](auto estimator) {
        p = {.what = plan::failure::gradient};
        const auto report = fails([&] { guidance(estimator, x, 0.5, estimates::stream(3)); });
        CHECK(report.step == 3);
        CHECK(report.nested == "no slope left");
        p = {};
        CHECK_NOTHROW(guidance(estimator, x, 0.5, estimates::stream(3)));
    };
    slope(diamond::pathwise_posterior_value(sampler<batch>(), failing_reward{&p}, {.samples = 2}));
    slope(diamond::weighted_value(density, flow<batch>(), failing_reward{&p}, {.samples = 2}));
    slope(diamond::denoised_value(any_schedule{}, models::mixture<batch, any_schedule>(any_schedule{}),
                                  failing_reward{&p}));
    slope(diamond::look_ahead_value(any_schedule{}, flow<batch>(), failing_reward{&p}));
}

namespace {
/// r = 0 to the right of a line, forbidden to the left; its slope is NaN where it is forbidden.
struct half_plane {
    double line;
    template <class Column>
    double operator()(const Column& z) const {
        return static_cast<double>(z[0]) > line ? 0.0 : -diamond::infinity;
    }
    template <class ConstView, class View>
    void gradient(ConstView z, View out) const {
        for (index_t j = 0; j < z.columns(); ++j)
            for (index_t i = 0; i < 2; ++i) out(i, j) = static_cast<double>(z(0, j)) > line ? 0.0 : nan_value;
    }
};
} // namespace

namespace {
/// Writes the rewards of all columns but the last few.
struct short_reward {
    const index_t* skipped;
    void operator()(diamond::const_view_t<diamond::eigen::batch<double>> z,
                    diamond::row_t<diamond::eigen::batch<double>> values) const {
        for (index_t j = 0; j + *skipped < z.columns(); ++j) values[j] = 1.0;
    }
};
} // namespace

TEST_CASE("what a reward of a batch leaves unwritten is refused, and not taken for the numbers of the call "
          "before") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const auto x = batches::normal<batch>(context, 2, 4, 1);
    index_t skipped = 0;
    diamond::posterior_value estimator(sampler<batch>(), short_reward{&skipped}, {.samples = 2});
    const auto values_of = [&] { return values(estimator, x, 0.5, estimates::stream(3)).value; };
    CHECK(values_of() == std::vector<double>(4, 1.0));
    skipped = 1;
    const auto report = fails([&] { values_of(); });
    CHECK(report.step == 3);
    CHECK(report.particle == 3);
}

TEST_CASE("-inf forbids a sample: it counts as weight 0, and all of them as V = -inf") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    constexpr index_t n = 400;
    const auto x = batches::repeat<batch>(context, n, {0.3, 0.2});
    const auto density = diamond::exact_density(any_schedule{},
                                                models::mixture<batch, any_schedule>(any_schedule{}));
    const auto check = [&](auto make) {
        auto some = make(half_plane{0.6});
        const auto found = values(some, x, 0.5, estimates::stream());
        bool forbidden = false, allowed = false;
        for (std::size_t j = 0; j < n; ++j) {
            CHECK(found.value[j] <= 1e-12); // at most log 1
            CHECK_FALSE(std::isnan(found.value[j]));
            forbidden = forbidden || found.value[j] < -0.5;
            allowed = allowed || found.value[j] > -0.4;
            if (found.value[j] == -diamond::infinity)
                CHECK((found.ess[j] == 0.0 && std::isnan(found.standard_error[j])));
        }
        CHECK(forbidden);
        CHECK(allowed);
        auto none = make(half_plane{1e6});
        const auto dead = values(none, x, 0.5, estimates::stream());
        for (std::size_t j = 0; j < n; ++j)
            CHECK((dead.value[j] == -diamond::infinity && dead.ess[j] == 0.0 &&
                   std::isnan(dead.standard_error[j])));
        return guidance(some, x, 0.5, estimates::stream());
    };
    const auto finite = [](const std::vector<double>& g) {
        return std::all_of(g.begin(), g.end(), [](double v) { return std::isfinite(v); });
    };
    CHECK(finite(
        check([&](half_plane r) { return diamond::posterior_value(sampler<batch>(), r, {.samples = 8}); })));
    CHECK(finite(check([&](half_plane r) {
        return diamond::posterior_value(sampler<batch>(), r, {.samples = 8, .antithetic = true});
    })));
    // A forbidden sample's slope counts for nothing, whatever it is.
    CHECK(finite(check([&](half_plane r) {
        return diamond::pathwise_posterior_value(sampler<batch>(), r, {.samples = 32});
    })));
    CHECK(finite(check(
        [&](half_plane r) { return diamond::weighted_value(density, flow<batch>(), r, {.samples = 32}); })));
    diamond::denoised_value point(any_schedule{}, models::mixture<batch, any_schedule>(any_schedule{}),
                                  half_plane{1e6});
    CHECK(values(point, x, 0.5, estimates::stream()).value[0] == -diamond::infinity);
}

} // namespace value_bad_rewards_test
