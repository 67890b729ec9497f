// Loss curves by hand, and the time left of a training whose steps take known times.
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/training_state.hpp>

namespace train_progress_test {

using diamond::index_t, diamond::loss_curve, diamond::time_left;

namespace {
void add(loss_curve& curve, bool diagonal, index_t step, index_t steps, double loss) {
    loss_curve::add(curve.sums().data() + loss_curve::window_of(diagonal, step, steps), step, loss);
}
} // namespace

TEST_CASE("a loss curve is the mean over each hundredth; steps without a loss do not count") {
    constexpr index_t steps = 1000; // ten a window
    loss_curve curve;
    for (index_t k = 0; k < steps; ++k) {
        const bool late = k >= 400; // steps 401, 402, ... have the second loss, every other one
        add(curve, true, k, steps, static_cast<double>(k + 1));
        if (late && k % 2 == 1) add(curve, false, k, steps, 3.0);
    }
    const auto diagonal = curve.diagonal(), off = curve.off_diagonal();
    REQUIRE(diagonal.step.size() == 100);
    REQUIRE(off.step.size() == 60);
    for (std::size_t w = 0; w < 100; ++w) { // of 10 w + 1 ... 10 w + 10
        CHECK(diagonal.step[w] == 10.0 * static_cast<double>(w) + 5.5);
        CHECK(diagonal.loss[w] == diagonal.step[w]);
    }
    for (std::size_t w = 0; w < 60; ++w) {
        CHECK(off.step[w] == 10.0 * static_cast<double>(w) + 406.0);
        CHECK(off.loss[w] == 3.0);
    }
}

TEST_CASE("fewer steps than windows are a point each") {
    loss_curve curve;
    for (index_t k = 0; k < 7; ++k) add(curve, true, k, 7, 1.0 + static_cast<double>(k));
    CHECK(curve.diagonal().step == std::vector<double>{1, 2, 3, 4, 5, 6, 7});
    CHECK(curve.diagonal().loss == std::vector<double>{1, 2, 3, 4, 5, 6, 7});
    CHECK(curve.off_diagonal().step.empty());
}

TEST_CASE("the time left knows that late steps cost more") {
    // 40 steps of 1 s, then 60 of 2 s. Half of a late step's columns are on the diagonal: price (1 + 7/3)/2 =
    // 5/3, until one is seen.
    const auto options = diamond::diamond_training_options{.steps = 100};
    CHECK(options.diagonal_steps() == 40);
    time_left left(options);
    for (index_t k = 0; k < 100; ++k) {
        const double found = left(k, k < 40 ? 1.0 : 2.0);
        const double late = k < 40 ? 60.0 * 5.0 / 3.0 : 2.0 * static_cast<double>(99 - k);
        CHECK(found == doctest::Approx((k < 40 ? 39.0 - static_cast<double>(k) : 0.0) + late).epsilon(1e-12));
    }
}

TEST_CASE("a run that goes on late, and one with early steps only") {
    time_left late(100, 40, 0.5);
    CHECK(late(70, 3.0) == doctest::Approx(29 * 3.0));
    time_left early(10, 10, 0.5);
    CHECK(early(0, 2.0) == doctest::Approx(18.0));
    CHECK(early(9, 4.0) == 0.0);
    time_left none(10, 0, 0.0);
    CHECK(none(0, 1.0) == doctest::Approx(9.0));
}

TEST_CASE("the share of diagonal steps rounds up, as a step below the share is one") {
    using options = diamond::diamond_training_options;
    for (const index_t steps : {1, 7, 10, 33})
        for (const double share : {0.0, 0.1, 0.25, 0.4, 1.0}) {
            const options o{.steps = steps, .diagonal_first = share};
            for (index_t k = 0; k < steps; ++k)
                CHECK((k < o.diagonal_steps()) ==
                      (static_cast<double>(k) < share * static_cast<double>(steps)));
        }
}

} // namespace train_progress_test
