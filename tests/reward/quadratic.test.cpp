#include <limits>

#include <diamond/reward/quadratic_reward.hpp>

#include "checks.hpp"

namespace reward_quadratic_test {

using namespace checks;

TEST_CASE_TEMPLATE("a quadratic reward is -1/2 sum_i q_i (z_i - y_i)^2", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    for (const index_t d : {1, 3, 21}) {
        const auto y = parameters<Batch>(context, d, 3);
        auto q = parameters<Batch>(context, d, 4);
        for (auto& entry : q) entry = std::abs(entry);
        q[0] = 0; // a coordinate that does not matter
        const auto z = points<Batch>(context, d, 300);
        const auto reward = diamond::quadratic_reward{context, y, q};
        CHECK(difference(values(reward, z), expected(z, [&](const std::vector<double>& x) {
                             double r = 0.0;
                             for (std::size_t i = 0; i < x.size(); ++i)
                                 r -= 0.5 * static_cast<double>(q[i]) *
                                      diamond::square(x[i] - static_cast<double>(y[i]));
                             return r;
                         })) < tolerance<Batch>);
        CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
        CHECK(form_error(reward, z) < tolerance<Batch>);
    }
}

TEST_CASE_TEMPLATE("a quadratic reward refuses what it cannot mean", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr auto inf = std::numeric_limits<real<Batch>>::infinity();
    const auto make = [&](const vector_of<Batch>& y, const vector_of<Batch>& q) {
        return diamond::quadratic_reward<Batch>(context, y, q);
    };
    CHECK_THROWS_WITH_AS(make({1, 2}, {1, 2, 3}), doctest::Contains("centre has 2 entries, curvature has 3"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({}, {}), doctest::Contains("0 entries"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1, 2}, {1, -2}), doctest::Contains("curvature[1] = -2"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1, 2}, {1, inf}), doctest::Contains("curvature[1] = inf"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({-inf, 2}, {1, 1}), doctest::Contains("centre[0] = -inf"),
                         std::invalid_argument);

    const auto reward = make({1, 2}, {1, 1});
    Batch tall(context, 3, 5);
    CHECK_THROWS_WITH_AS(values(reward, tall), doctest::Contains("2 rows, the batch has 3"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(reward.gradient(points<Batch>(context, 2, 5), tall),
                         doctest::Contains("2 x 5 against 3 x 5"), std::invalid_argument);
}

} // namespace reward_quadratic_test
