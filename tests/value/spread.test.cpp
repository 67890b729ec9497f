// spread_value: what it joins is each particle's own, labels and all; exp V is unbiased; where few particles
// have most of the variance it errs less than as many draws spread evenly; what it costs and refuses.
#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/spread_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace value_spread_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;

namespace {

/// A value of x and the label, of standard error |x|: every unit of a particle is the same.
template <class Batch>
struct told_value {
    using batch_type = Batch;
    using condition_type = diamond::labels;
    struct nothing {
        template <class Column>
        DIAMOND_HD double operator()(const Column&) const {
            return 0.0;
        }
    };
    nothing reward_of;
    std::vector<index_t>* columns = nullptr; ///< of each call
    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] nothing& reward() { return reward_of; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    struct tell {
        diamond::const_view_t<Batch> x;
        diamond::labels label;
        diamond::value_rows<diamond::backend_of_t<Batch>> out;
        DIAMOND_HD void operator()(index_t j) const {
            const double at = static_cast<double>(x(0, j));
            out.value[j] = at + 10.0 * label[j];
            if (out.standard_error) out.standard_error[j] = std::fabs(at);
        }
    };
    void operator()(diamond::const_view_t<Batch> x, double, const diamond::labels& label,
                    diamond::noise_stream, diamond::value_rows<diamond::backend_of_t<Batch>> values) {
        columns->push_back(x.columns());
        x.context().for_each(x.columns(), tell{.x = x, .label = label, .out = values});
    }
};

/// Two parts far apart: of the posterior of one exp r hardly varies, of that of the other much.
template <class Batch>
auto data(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian_mixture<Batch, linear>(context, {}, {0.9, 0.1}, {-20.0, -20.0, 20.0, 20.0},
                                                    {0.01, 1.0});
}
template <class Batch>
auto reward_of(const diamond::backend_of_t<Batch>& context) {
    using real = typename Batch::value_type;
    return diamond::linear_reward<Batch>(context, std::vector<real>{real(1.6), real(1.2)});
}
constexpr double t = 0.5;
/// n particles of x_t.
std::vector<double> particles(index_t n) {
    std::vector<double> x;
    for (index_t j = 0; j < n; ++j)
        for (int i = 0; i < 2; ++i)
            x.push_back((j % 10 == 3 ? 10.0 : -10.0) + 0.4 * std::sin(1.7 * static_cast<double>(2 * j + i)));
    return x;
}
template <class Batch, class Value>
std::vector<double> values(Value&& value, const diamond::backend_of_t<Batch>& context,
                           const std::vector<double>& x, int step = 1,
                           std::vector<double>* errors = nullptr) {
    const auto n = static_cast<index_t>(x.size()) / 2;
    const auto at = batches::make<Batch>(context, 2, n, x);
    diamond::rebind_t<Batch, double> out(context, 1, n), error(context, 1, n), ess(context, 1, n);
    value(at.read(), t, {}, philox{3}.stream(purpose::value, step),
          {.value = row(out), .standard_error = row(error), .ess = row(ess)});
    if (errors) *errors = diamond::to_host(error);
    return diamond::to_host(out);
}
double mean_square(const std::vector<double>& found, const std::vector<double>& truth) {
    double sum = 0.0;
    for (std::size_t j = 0; j < found.size(); ++j) sum += diamond::square(found[j] - truth[j]);
    return sum / static_cast<double>(found.size());
}

} // namespace

TEST_CASE_TEMPLATE("units are of their own particle and label, as many as the budget says", back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    constexpr index_t n = 37, units = 5;
    std::vector<double> x;
    std::vector<std::int32_t> label;
    for (index_t j = 0; j < n; ++j) {
        x.push_back(j % 7 == 0 ? 1.0 : 0.01 * static_cast<double>(j % 5));
        label.push_back(static_cast<std::int32_t>(j % 4));
    }
    const auto at = batches::make<batch>(context, 1, n, x);
    const auto labels = diamond::from_host<std::int32_t>(context, 1, n, label);
    std::vector<index_t> columns;
    diamond::spread_value value{told_value<batch>{.reward_of = {}, .columns = &columns}, {.units = units}};
    diamond::rebind_t<batch, double> out(context, 1, n), error(context, 1, n);
    value(at.read(), 0.5, diamond::labels(labels.data()), philox{3}.stream(purpose::value, 1),
          {.value = row(out), .standard_error = row(error)});
    const auto found = diamond::to_host(out), errors = diamond::to_host(error);
    CHECK(columns == std::vector<index_t>{n, n * (units - 1)});
    double given = 0.0, total = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) total += x[j];
    for (std::size_t j = 0; j < x.size(); ++j) {
        CHECK(found[j] == doctest::Approx(x[j] + 10.0 * label[j]).epsilon(1e-6));
        if (x[j] == 0.0) continue;
        // The error of w V + (1 - w) mean of U equal terms of error e is e sqrt(w^2 + (1 - w)^2/U): it says
        // U.
        const double w = 0.2, u = diamond::square(1.0 - w) / (diamond::square(errors[j] / x[j]) - w * w);
        given += u;
        // One unit, and the share of what is dealt out to one unit more or less.
        CHECK(std::abs(u - 1.0 - static_cast<double>(n * (units - 2)) * x[j] / total) < 1.01);
    }
    CHECK(given > static_cast<double>(n * (units - 2)) - 1.0);
}

TEST_CASE("exp V is unbiased, and V errs less than by as many draws spread evenly") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const auto model = data<batch>(context);
    const auto reward = reward_of<batch>(context);
    const diamond::exact_posterior draws{model};
    const auto x = particles(2000);
    const auto truth = values<batch>(diamond::exact_value{model, reward}, context, x);
    diamond::spread_value spread{diamond::posterior_value{draws, reward, {.samples = 8}}, {.units = 4}};
    diamond::posterior_value even{draws, reward, {.samples = 32}};
    double by_spread = 0.0, by_even = 0.0;
    std::vector<double> ratios, reported, of_one;
    for (int step = 1; step <= 20; ++step) {
        std::vector<double> errors;
        const auto found = values<batch>(spread, context, x, step, &errors);
        by_spread += mean_square(found, truth) / 20.0;
        by_even += mean_square(values<batch>(even, context, x, step), truth) / 20.0;
        for (std::size_t j = 3; j < found.size(); j += 10) { // those that vary
            ratios.push_back(std::exp(found[j] - truth[j]));
            reported.push_back(diamond::square(errors[j] * ratios.back()));
        }
    }
    const auto average = statistics::average(ratios);
    MESSAGE("mean square error of V: ", by_spread, " spread, ", by_even,
            " even; mean of exp V over the exact one ", average.value, " +- ", average.standard_error);
    CHECK(spread.spent() == even.spent());
    CHECK(by_spread < 0.6 * by_even);
    CHECK(statistics::within(average, 1.0));
    // The standard error is honest: its mean square is the variance of exp V.
    const double variance = diamond::square(average.standard_error) * static_cast<double>(ratios.size());
    CHECK(statistics::average(reported).value == doctest::Approx(variance).epsilon(0.1));
}

TEST_CASE("the same bits on any number of threads; at t = 1 the reward; values are not a particle's own") {
    using batch = diamond::eigen::batch<float>;
    const auto by = [](int threads) {
        const auto context = back_ends::eigen<float>::make(threads);
        return values<batch>(
            diamond::spread_value{diamond::posterior_value{diamond::exact_posterior{data<batch>(context)},
                                                           reward_of<batch>(context),
                                                           {.samples = 4, .antithetic = true}}},
            context, particles(3000));
    };
    CHECK(by(1) == by(3));
    const auto context = back_ends::eigen<float>::make(1);
    diamond::spread_value value{diamond::posterior_value{
        diamond::exact_posterior{data<batch>(context)}, reward_of<batch>(context), {.samples = 4}}};
    const auto x = batches::make<batch>(context, 2, 1, {0.5, -0.25});
    diamond::rebind_t<batch, double> out(context, 1, 1);
    value(x.read(), 1.0, {}, {}, {.value = row(out)});
    CHECK(out.data()[0] == doctest::Approx(0.5));
    CHECK(!value.fresh());
}

TEST_CASE("Z-hat is unbiased by spread values") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const diamond::gaussian_mixture<batch, linear> model(context, {}, {0.7, 0.3}, {-1.0, 0.5, 1.5, -0.5},
                                                         {0.3, 0.1});
    const auto reward = reward_of<batch>(context);
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    const diamond::exact_posterior draws{model};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{draws},
                         diamond::spread_value{diamond::posterior_value{draws, reward, {.samples = 2}}},
                         {.particles = 6, .steps = 3, .log_delta = -30.0}};
    std::vector<double> ratios;
    for (std::uint64_t k = 0; k < 10'000; ++k)
        ratios.push_back(std::exp(sampler(context, philox{7}.split(k)).log_z - log_z));
    const auto average = statistics::average(ratios);
    CHECK(std::abs(average.value - 1.0) < 4.5 * average.standard_error);
    CHECK(average.standard_error < 0.02);
}

TEST_CASE("what it cannot take is refused") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const auto of = [&](diamond::posterior_value_options options, index_t units = 4) {
        return diamond::spread_value{diamond::posterior_value{diamond::exact_posterior{data<batch>(context)},
                                                              reward_of<batch>(context), options},
                                     {.units = units}};
    };
    CHECK_THROWS_WITH_AS(of({.samples = 4}, 2), doctest::Contains("3 to 2^20 are taken"),
                         std::invalid_argument);
    for (const auto& options : {diamond::posterior_value_options{.samples = 1},
                                diamond::posterior_value_options{.samples = 4, .latin_hypercube = true}})
        CHECK_THROWS_WITH_AS(values<batch>(of(options), context, particles(3)),
                             doctest::Contains("the value has none: give it two samples"),
                             diamond::numeric_error);
    // A particle of which all draws are forbidden has no error, and is no reason to stop.
    const auto forbids = [](diamond::column_view<const double> z) {
        return z[0] > 0.0 ? 0.0 : -diamond::infinity;
    };
    const auto found = values<batch>(
        diamond::spread_value{diamond::posterior_value{
            diamond::exact_posterior{data<batch>(context)}, forbids, {.samples = 4}}},
        context, particles(10));
    CHECK(found[0] == -diamond::infinity);
    CHECK(found[3] == 0.0);
}

} // namespace value_spread_test
