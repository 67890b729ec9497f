/// What oracles refuse, with the numbers in the message, and leave as it was.
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "support/back_ends.hpp"

namespace oracle_oracle_errors_test {

using namespace diamond;

namespace {
using batch_type = eigen::batch<double>;
using model = gaussian_mixture<batch_type, linear_schedule>;
} // namespace

TEST_CASE("mixtures refuse shapes, weights, means and variances that do not fit") {
    const eigen::context context{.threads = 1};
    const auto make = [&](std::vector<double> w, std::vector<double> m, std::vector<double> v) {
        return model(context, {}, std::move(w), std::move(m), std::move(v));
    };
    CHECK_NOTHROW(make({0.0, 2.0}, {1.0, 2.0, 3.0, 4.0}, {1.0, 1.0}));
    CHECK_THROWS_WITH_AS(make({}, {}, {}),
                         "a Gaussian mixture of 0 weights cannot have 0 numbers as means: d x K are needed",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1.0, 1.0}, {1.0, 2.0, 3.0}, {1.0, 1.0}),
                         "a Gaussian mixture of 2 weights cannot have 3 numbers as means: d x K are needed",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        make({1.0, 1.0}, {1.0, 2.0, 3.0, 4.0}, {1.0, 1.0, 1.0}),
        "a Gaussian mixture of 2 components in dimension 2 has 3 variances: K or d x K are needed",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1.0, -0.5}, {1.0, 2.0}, {1.0, 1.0}),
                         "a Gaussian mixture's weight number 1 is -0.5: it must be finite and not negative",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({0.0, 0.0}, {1.0, 2.0}, {1.0, 1.0}), "a Gaussian mixture's weights sum to 0",
                         std::invalid_argument);
    CHECK_THROWS_AS(make({1.0, not_a_number}, {1.0, 2.0}, {1.0, 1.0}), std::invalid_argument);
    CHECK_THROWS_AS(make({1.0, 1.0}, {1.0, infinity}, {1.0, 1.0}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1.0, 1.0}, {1.0, 2.0}, {1.0, 0.0}),
                         "a Gaussian mixture's variance number 1 is 0: it must be finite and positive",
                         std::invalid_argument);
    const batch_type points(context, 2, 3);
    CHECK_THROWS_AS(static_cast<void>(data_mixture(context, linear_schedule{}, points.read(), 0.0)),
                    std::invalid_argument);
}

TEST_CASE("models refuse batches of another shape") {
    const eigen::context context{.threads = 1};
    const model mixture(context, {}, {1.0}, {1.0, 2.0}, {1.0});
    const gaussian<batch_type, linear_schedule> normal(context, {}, {1.0, 2.0}, {1.0, 0.0, 0.0, 1.0});
    const checkerboard<batch_type, linear_schedule> board(context, {});
    batch_type three(context, 3, 4), two(context, 2, 4), few(context, 2, 3);
    const auto refuses = [&](const auto& field) {
        auto space = field.make_workspace(context, 4);
        CHECK_THROWS_AS(field(three.read(), 0.5, {}, space, three.mutable_view()), std::invalid_argument);
        CHECK_THROWS_AS(field(two.read(), 0.5, {}, space, few.mutable_view()), std::invalid_argument);
        CHECK_THROWS_AS(field.jvp(two.read(), 0.5, {}, few.read(), space, two.mutable_view()),
                        std::invalid_argument);
        CHECK_THROWS_AS(
            field.draw_posterior(two.read(), 0.5, {}, noise_stream{.samples = 2}, space, two.mutable_view()),
            std::invalid_argument);
        CHECK_THROWS_AS(field.draw({}, three.mutable_view()), std::invalid_argument);
    };
    refuses(mixture);
    refuses(normal);
    refuses(board);
    gaussian_flow_map flow(normal);
    gaussian_diamond_map map(normal);
    CHECK_THROWS_AS(flow(two.read(), {0.0, 1.0}, {}, few.mutable_view()), std::invalid_argument);
    CHECK_THROWS_AS(map(two.read(), {0.0, 1.0}, few.read(), 0.5, {}, two.mutable_view()),
                    std::invalid_argument);
    CHECK(flow.spent() == cost{});
    CHECK(map.spent() == cost{});
}

TEST_CASE("Gaussians refuse covariances that are none") {
    const eigen::context context{.threads = 1};
    const auto make = [&](std::vector<double> mean, std::vector<double> covariance) {
        return gaussian<batch_type, linear_schedule>(context, {}, std::move(mean), std::move(covariance));
    };
    CHECK_THROWS_WITH_AS(make({1.0, 2.0}, {1.0, 0.0, 1.0}),
                         "a covariance of 3 numbers for dimension 2: d x d are needed",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(make({1.0, 2.0}, {1.0, 0.5, 0.25, 1.0}),
                         "a covariance must be symmetric: entries (0, 1) are 0.25 and 0.5",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        make({1.0, 2.0}, {1.0, 2.0, 2.0, 1.0}),
        doctest::Contains("a covariance must be positive definite: its smallest eigenvalue is -"),
        std::invalid_argument);
    CHECK_THROWS_AS(make({1.0, not_a_number}, {1.0, 0.0, 0.0, 1.0}), std::invalid_argument);
    CHECK_THROWS_AS(make({1.0, 2.0}, {1.0, not_a_number, not_a_number, 1.0}), std::invalid_argument);
    CHECK_THROWS_AS(make({}, {}), std::invalid_argument);
}

TEST_CASE("tilts refuse rewards of another dimension and densities without an integral") {
    const eigen::context context{.threads = 1};
    const model mixture(context, {}, {1.0}, {1.0, 2.0}, {0.5});
    const gaussian<batch_type, linear_schedule> normal(context, {}, {1.0, 2.0}, {0.5, 0.0, 0.0, 0.5});
    CHECK_THROWS_WITH_AS(static_cast<void>(mixture.tilted({0.0, {1.0}, {}})),
                         "a quadratic form of 1 coordinates for a model of dimension 2",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(mixture.tilted({0.0, {}, {-2.0, 0.0}})),
                         "a curvature of -2 against a variance of 0.5: the tilted density has no integral",
                         std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(normal.tilted({0.0, {}, {-2.0, 0.0}})), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(normal.tilted({not_a_number, {}, {}})), std::invalid_argument);
}

} // namespace oracle_oracle_errors_test
