/// The groups of a reward, told through the rewards that it is made of, and the drivers that ask for them.
#include <functional>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/align/fit_smc_schedule.hpp>
#include <diamond/align/grouped_smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/reward/forbid_non_finite.hpp>
#include <diamond/reward/grouped_reward.hpp>
#include <diamond/reward/sum_reward.hpp>
#include <diamond/reward/tempered_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>

namespace reward_grouped_test {

using diamond::forbid_non_finite, diamond::grouped_reward, diamond::grouped_smc, diamond::philox,
    diamond::scaled_reward, diamond::sum_reward, diamond::tempered_reward, diamond::detail::groups_of;
using doctest::Contains, std::invalid_argument;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context host{.threads = 1};

/// slope z_0
struct slope_reward {
    double slope = 1.0;
    double operator()(diamond::column_view<const double> z) const { return slope * z[0]; }
};
grouped_reward<slope_reward> rewards_of(std::size_t groups) {
    return grouped_reward{std::vector<slope_reward>(groups)};
}

} // namespace

TEST_CASE("a reward that is made of others has the groups of these, however deep") {
    CHECK(groups_of(slope_reward{}) == 0);
    CHECK(groups_of(rewards_of(2)) == 2);
    CHECK(groups_of(scaled_reward{2.0, slope_reward{}}) == 0);
    CHECK(groups_of(scaled_reward{2.0, rewards_of(2)}) == 2);
    CHECK(groups_of(tempered_reward{2.0, forbid_non_finite{rewards_of(3)}}) == 3);
    auto held = rewards_of(4);
    const sum_reward sum{slope_reward{}, scaled_reward{0.5, std::ref(held)}, slope_reward{}};
    CHECK(groups_of(sum) == 4);
    CHECK(groups_of(sum_reward{sum, rewards_of(4)}) == 4);
    CHECK_THROWS_WITH_AS(static_cast<void>(groups_of(sum_reward{sum, rewards_of(3)})),
                         Contains("parts of 4 and of 3 groups of columns"), invalid_argument);
    const std::vector nested(2, scaled_reward{2.0, rewards_of(3)});
    CHECK_THROWS_WITH_AS(grouped_reward{nested}, Contains("one of them has 3 groups itself"),
                         invalid_argument);
}

TEST_CASE("groups that are scaled are counted by grouped_smc, and refused by runs of one problem") {
    const diamond::gaussian<batch, diamond::linear_schedule> model{
        host, {}, {0.5, -0.5}, {1.0, 0.3, 0.3, 1.0}};
    const diamond::exact_posterior draws{model};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const auto value_of = [&](std::size_t groups) {
        return diamond::posterior_value{draws, scaled_reward{2.0, rewards_of(groups)}, {.samples = 2}};
    };
    const diamond::smc_options options{.particles = 100, .steps = 4, .pilot_particles = 0};
    const std::vector<philox> rngs{{1}, {2}, {3}};
    // 300 columns, which two groups divide as evenly as three do.
    grouped_smc wrong{kernel, value_of(2), options};
    CHECK_THROWS_WITH_AS(wrong(host, rngs), Contains("rewards of 2 groups for 3 generators"),
                         invalid_argument);
    grouped_smc right{kernel, value_of(3), options};
    CHECK(right(host, rngs).size() == 3);

    diamond::smc of_two{kernel, value_of(2), options}, of_one{kernel, value_of(1), options};
    CHECK_THROWS_WITH_AS(of_two(host, philox{1}), Contains("a reward of 2 groups"), invalid_argument);
    const auto saved = of_one.start(host, philox{1}).snapshot();
    CHECK_THROWS_WITH_AS(of_two(host, philox{1}, saved), Contains("use grouped_smc"), invalid_argument);
    CHECK(of_one(host, philox{1}, saved).complete);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(diamond::fit_smc_schedule(host, philox{1}, kernel, value_of(2), options,
                                                    {.least_steps = 2, .most_steps = 4})),
        Contains("a reward of 2 groups"), invalid_argument);
}

} // namespace reward_grouped_test
