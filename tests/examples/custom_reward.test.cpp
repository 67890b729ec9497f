// The example that newcomers copy: it runs, and its log Z and mean are right.
#include <cmath>
#include <cstdio>

#include <support/program.hpp>

TEST_CASE("log Z within 4 of the standard errors that are printed beside it") {
    const auto [status, output] = diamond_test::run_program("custom_reward", "");
    INFO(output);
    CHECK(status == 0);
    double log_z = NAN, error = NAN, exact = NAN, mean = NAN, exact_mean = NAN;
    REQUIRE(std::sscanf(output.c_str(), "log Z %lf +- %lf, exactly %lf\nmean of x %lf, exactly %lf;", &log_z,
                        &error, &exact, &mean, &exact_mean) == 5);
    CHECK(error > 0.0);
    CHECK(error < 0.05);
    CHECK(std::abs(log_z - exact) <= 4.0 * error);
    // the tilted deviation of x is 0.55: 4.5 standard errors of 1000 draws, fewer than are effective
    CHECK(std::abs(mean - exact_mean) < 0.08);
    CHECK(output.find("warning") == std::string::npos);
}
