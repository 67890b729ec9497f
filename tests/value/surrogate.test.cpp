// Values of another reward, and values that count in part: Z-hat is unbiased for the reward that counts, on a
// constraint whose probability is known; and it is not where the last value is changed as well.
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/quadratic_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/annealed_value.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/surrogate_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace value_surrogate_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;

namespace {

/// Allows z_0 > 1.5.
struct allowed {
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return static_cast<double>(z[0]) > 1.5 ? 0.0 : -diamond::infinity;
    }
};
/// -(depth/s)^2/2 of the violation, s = 0.3.
struct depth {
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        const double x = static_cast<double>(z[0]);
        return x > 1.5 ? 0.0 : -0.5 * diamond::square((1.5 - x) / 0.3);
    }
};
template <class Batch>
auto model(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian_mixture<Batch, linear>(context, {}, {0.7, 0.3}, {-1, 0, 1, 1}, {0.25, 0.25});
}
/// P(z_0 > 1.5).
const double probability = 0.7 * 0.5 * std::erfc(2.5 / std::sqrt(0.5)) +
                           0.3 * 0.5 * std::erfc(0.5 / std::sqrt(0.5));

/// Runs many times, and returns Z-hat of each run, relative to Z.
template <class Batch, class Value>
std::vector<double> ratios(const diamond::backend_of_t<Batch>& context, const Value& value, int runs) {
    const diamond::exact_posterior draws{model<Batch>(context)};
    std::vector<double> found;
    for (int i = 0; i < runs; ++i) {
        diamond::smc sampler{diamond::ddpm_posterior_kernel{draws},
                             value,
                             {.particles = 64, .steps = 4, .log_delta = std::log(probability)}};
        double z = 0.0;
        try {
            z = std::exp(sampler(context, philox{.seed = 100 + static_cast<std::uint64_t>(i)}).log_z);
        } catch (const diamond::dead_weights&) {
            // No particle is allowed: Z-hat is 0.
        }
        found.push_back(z / probability);
    }
    return found;
}

} // namespace

TEST_CASE_TEMPLATE("Z-hat is unbiased for the reward, whatever stands for it on the way", back_end,
                   TWO_BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const diamond::exact_posterior draws{model<batch>(context)};
    const diamond::posterior_value soft{draws, depth{}, {.samples = 2}};
    const diamond::posterior_value hard{draws, allowed{}, {.samples = 2}};
    const int runs = 400;
    const auto unbiased = [&](const auto& value) {
        const auto found = ratios<batch>(context, value, runs);
        const auto mean = statistics::average(found);
        CAPTURE(mean.value);
        CAPTURE(mean.standard_error);
        CHECK(statistics::within(mean, 1.0, 3.0));
        return mean.standard_error;
    };
    const double of_draws = unbiased(hard),
                 of_surrogate = unbiased(diamond::surrogate_value{soft, allowed{}});
    unbiased(diamond::annealed_value{hard, [](double t) { return t * t; }});
    unbiased(diamond::annealed_value{diamond::surrogate_value{soft, allowed{}}, [](double t) { return t; }});
    CHECK(of_surrogate < of_draws); // what it is for

    // The control: the surrogate alone answers another question.
    const auto other = ratios<batch>(context, soft, runs);
    CHECK(!statistics::within(statistics::average(other), 1.0, 10.0));
}

TEST_CASE("values at t = 1 are the reward's, and before it the surrogate's, or a part of them") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context;
    const diamond::exact_posterior draws{model<batch>(context)};
    diamond::posterior_value soft{draws, depth{}, {.samples = 4}};
    diamond::surrogate_value both{soft, allowed{}};
    diamond::annealed_value part{both, [](double t) { return 0.5 * t; }};
    const auto x = batches::make<batch>(context, 2, 3, {2.0, 0.1, 0.4, 0.3, 1.6, -1.0});
    const auto values = [&](auto& value, double t) {
        diamond::rebind_t<batch, double> of(context, 1, 3), spread(context, 1, 3);
        value(x.read(), t, {}, philox{3}.stream(purpose::value, 1),
              {.value = row(of), .standard_error = row(spread)});
        return std::vector{diamond::to_host(of), diamond::to_host(spread)};
    };
    const auto at_end = values(both, 1.0), annealed_at_end = values(part, 1.0);
    CHECK(at_end[0] == std::vector{0.0, -diamond::infinity, 0.0});
    CHECK(annealed_at_end[0] == at_end[0]);
    CHECK(std::isnan(at_end[1][0]));
    const auto of_soft = values(soft, 0.6), of_both = values(both, 0.6), of_part = values(part, 0.6);
    CHECK(of_both == of_soft);
    for (std::size_t j = 0; j < 3; ++j) {
        CHECK(of_part[0][j] == doctest::Approx(0.3 * of_soft[0][j]));
        CHECK(of_part[1][j] == doctest::Approx(0.3 * of_soft[1][j]));
    }
    const auto guidance = [&](auto& value) {
        batch out(context, 2, 3);
        value.guidance(x.read(), 0.6, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        return diamond::to_host(out);
    };
    const auto whole = guidance(soft), same = guidance(both), less = guidance(part);
    CHECK(same == whole);
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(less[i] == doctest::Approx(0.3 * whole[i]));
    // A reward each at t = 1, and 4 draws each of the surrogate's at the other calls.
    CHECK(diamond::cost(both.spent()).reward == 3 + 12 + 12);

    diamond::annealed_value nothing{soft, [](double) { return 0.0; }};
    CHECK(values(nothing, 0.6)[0] == std::vector{0.0, 0.0, 0.0});
    diamond::annealed_value wrong{soft, [](double) { return -1.0; }};
    CHECK_THROWS_WITH_AS(
        values(wrong, 0.6),
        "annealed_value: the exponent at t = 0.6 is -1: it must be a number that is not negative",
        std::invalid_argument);
    using quadratic = diamond::quadratic_reward<batch>;
    CHECK_THROWS_WITH_AS(
        (diamond::surrogate_value{soft, quadratic{context, {0.0, 0.0, 0.0}, {1.0, 1.0, 1.0}}}),
        "surrogate_value: the value has dimension 2, the reward 3", std::invalid_argument);
}

TEST_CASE("moves are accepted by a particle's own values alone, whatever is around these") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context;
    const diamond::exact_posterior draws{model<batch>(context)};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const auto around = [](const auto& value) {
        return diamond::annealed_value{diamond::surrogate_value{value, allowed{}},
                                       [](double t) { return t; }};
    };
    const auto own = around(diamond::posterior_value{draws, depth{}, {.samples = 2}});
    const auto not_own = around(
        diamond::posterior_value{draws, depth{}, {.samples = 2, .fixed_noise = true}});
    CHECK(own.fresh());
    CHECK(!not_own.fresh());
    const diamond::smc_options options{.particles = 8, .steps = 2, .pilot_particles = 0};
    CHECK_THROWS_WITH_AS(
        (diamond::smc{kernel, own, {.particles = 8, .steps = 2}}),
        "SMC's pilot finds log delta by the reward, and these values are on a scale of their own: give "
        ".pilot_particles = 0, or a log_delta on their scale",
        std::invalid_argument);
    CHECK_NOTHROW(diamond::smc{kernel, own, options, diamond::systematic{}, diamond::crank_nicolson{}});
    CHECK_THROWS_AS(
        (diamond::smc{kernel, not_own, options, diamond::systematic{}, diamond::crank_nicolson{}}),
        std::invalid_argument);
}

} // namespace value_surrogate_test
