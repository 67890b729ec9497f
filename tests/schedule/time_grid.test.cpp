/// Grids of times: what is one, and what the refusals say.
#include <array>
#include <limits>
#include <span>

#include <doctest/doctest.h>

#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/time_grid.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

namespace schedule_time_grid_test {

using diamond::noise_ratio_time_grid, diamond::require_time_grid, diamond::uniform_time_grid;

namespace {
void check_refused(const std::vector<double>& grid, const char* message) {
    CHECK_THROWS_WITH_AS(require_time_grid(grid), message, std::invalid_argument);
}
} // namespace

TEST_CASE("uniform grids") {
    CHECK(uniform_time_grid(1) == std::vector<double>{0.0, 1.0});
    CHECK(uniform_time_grid(4) == std::vector<double>{0.0, 0.25, 0.5, 0.75, 1.0});
    for (const int steps : {1, 2, 3, 7, 10, 49, 1000}) {
        const auto grid = uniform_time_grid(steps);
        CHECK(grid.size() == static_cast<std::size_t>(steps) + 1);
        CHECK_NOTHROW(require_time_grid(grid));
    }
    CHECK_THROWS_WITH_AS(static_cast<void>(uniform_time_grid(0)),
                         "a time grid of 0 steps: at least 1 is needed", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(uniform_time_grid(-3)),
                         "a time grid of -3 steps: at least 1 is needed", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(uniform_time_grid(diamond::index_t{1} << 31)),
                         "a time grid of 2147483648 steps: at most 16777216 are taken",
                         std::invalid_argument);
}

TEST_CASE("any increasing grid from 0 to 1 is one") {
    CHECK_NOTHROW(require_time_grid(std::vector<double>{0.0, 1.0}));
    CHECK_NOTHROW(require_time_grid(std::array{0.0, 0.9, 0.99, 1.0}));
    const double times[] = {0.0, 1e-300, 0.5, 1.0};
    CHECK_NOTHROW(require_time_grid(std::span(times)));
}

TEST_CASE("what is no grid is refused, with the numbers") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    check_refused({}, "a time grid of 0 times: at least the two, 0 and 1, are needed");
    check_refused({0.0}, "a time grid of 1 times: at least the two, 0 and 1, are needed");
    check_refused({0.1, 1.0}, "a time grid runs from 0 to 1, not from 0.1 to 1");
    check_refused({0.0, 0.9}, "a time grid runs from 0 to 1, not from 0 to 0.9");
    check_refused({1.0, 0.0}, "a time grid runs from 0 to 1, not from 1 to 0");
    check_refused({-0.5, 1.0}, "a time grid runs from 0 to 1, not from -0.5 to 1");
    check_refused({0.0, 0.7, 0.5, 1.0}, "a time grid must increase: t_1 = 0.7, t_2 = 0.5");
    check_refused({0.0, 0.5, 0.5, 1.0}, "a time grid must increase: t_1 = 0.5, t_2 = 0.5");
    check_refused({0.0, 0.0, 1.0}, "a time grid must increase: t_0 = 0, t_1 = 0");
    check_refused({0.0, 1.5, 1.0}, "a time grid must increase: t_1 = 1.5, t_2 = 1");
    check_refused({0.0, nan, 1.0}, "a time grid must increase: t_0 = 0, t_1 = nan");
    check_refused({nan, 1.0}, "a time grid runs from 0 to 1, not from nan to 1");
    check_refused({0.0, nan}, "a time grid runs from 0 to 1, not from 0 to nan");
}

namespace {
template <class Schedule>
void check_noise_ratios(const Schedule& schedule) {
    for (const diamond::index_t steps : {3, 4, 33}) {
        const auto grid = noise_ratio_time_grid(schedule, steps, {.first = 3.0, .last = 0.01});
        CHECK_NOTHROW(require_time_grid(grid));
        REQUIRE(grid.size() == static_cast<std::size_t>(steps) + 1);
        CHECK((grid.front() == 0.0 && grid.back() == 1.0));
        const auto ratio = [&](std::size_t k) { return schedule.sigma(grid[k]) / schedule.alpha(grid[k]); };
        CHECK(std::abs(ratio(1) - 3.0) < 1e-9);
        CHECK(std::abs(ratio(grid.size() - 2) - 0.01) < 1e-9);
        const double factor = std::pow(0.01 / 3.0, 1.0 / static_cast<double>(steps - 2));
        for (std::size_t k = 2; k + 1 < grid.size(); ++k)
            CHECK(std::abs(ratio(k) / ratio(k - 1) - factor) < 1e-7);
    }
}
} // namespace

TEST_CASE("by noise ratios sigma/alpha falls by equal factors, on every schedule") {
    check_noise_ratios(diamond::linear_schedule{});
    check_noise_ratios(diamond::cosine_schedule{});
    check_noise_ratios(diamond::trigonometric_schedule{});
    check_noise_ratios(diamond::variance_preserving_schedule{});
    const auto of = [](diamond::index_t steps, diamond::noise_ratios ratios) {
        return noise_ratio_time_grid(diamond::linear_schedule{}, steps, ratios);
    };
    CHECK_THROWS_WITH_AS(static_cast<void>(of(2, {3.0, 0.1})),
                         doctest::Contains("2 steps by noise ratios: 3 to"), std::invalid_argument);
    for (const auto& bad : {diamond::noise_ratios{0.1, 3.0},
                            {3.0, 0.0},
                            {3.0, -1.0},
                            {diamond::infinity, 1.0},
                            {std::nan(""), 1.0},
                            {1.0, std::nan("")},
                            {1.0, 1.0}})
        CHECK_THROWS_WITH_AS(static_cast<void>(of(8, bad)), doctest::Contains("sigma/alpha falls from"),
                             std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(of(8, {1e-17, 1e-18})), std::invalid_argument); // the same double, 1
}

} // namespace schedule_time_grid_test
