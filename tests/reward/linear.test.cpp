#include <limits>

#include <diamond/reward/linear_reward.hpp>

#include "checks.hpp"

namespace reward_linear_test {

using namespace checks;

TEST_CASE_TEMPLATE("a linear reward is offset + c . z", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    for (const index_t d : {1, 2, 19}) {
        const auto c = parameters<Batch>(context, d, 3);
        const auto z = points<Batch>(context, d, 300);
        const auto reward = diamond::linear_reward{context, c, -0.75};
        static_assert(std::is_same_v<decltype(reward), const diamond::linear_reward<Batch>>);
        CHECK(reward.dimension() == d);
        CHECK(difference(values(reward, z), expected(z, [&](const std::vector<double>& x) {
                             double r = -0.75;
                             for (std::size_t i = 0; i < x.size(); ++i) r += static_cast<double>(c[i]) * x[i];
                             return r;
                         })) < tolerance<Batch>);
        CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
        CHECK(form_error(reward, z) < tolerance<Batch>);
    }
}

TEST_CASE_TEMPLATE("a copy of a linear reward shares its numbers and outlives it", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto copy = [&] { return diamond::linear_reward{context, vector_of<Batch>{2, 3}}; }();
    const auto z = diamond::from_host(context, 2, 1, vector_of<Batch>{1, 10});
    CHECK(values(copy, z) == std::vector<double>{32});
}

TEST_CASE_TEMPLATE("a linear reward refuses what it cannot mean", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr auto nan = std::numeric_limits<real<Batch>>::quiet_NaN();
    const auto make = [&](const vector_of<Batch>& c, double offset) {
        return diamond::linear_reward<Batch>(context, c, offset);
    };
    CHECK_THROWS_WITH_AS(make({}, 0.0), doctest::Contains("no entries"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1, nan}, 0.0), doctest::Contains("c[1] = nan"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1}, diamond::infinity), doctest::Contains("offset = inf"),
                         std::invalid_argument);

    const auto reward = make({1, 2, 3}, 0.0);
    const auto z = points<Batch>(context, 2, 5);
    Batch narrow(context, 3, 4);
    CHECK_THROWS_WITH_AS(values(reward, z), doctest::Contains("3 rows, the batch has 2"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(reward.gradient(points<Batch>(context, 3, 5), narrow),
                         doctest::Contains("3 x 5 against 3 x 4"), std::invalid_argument);
}

} // namespace reward_linear_test
