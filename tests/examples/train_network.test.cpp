// The example that newcomers copy: it trains, its log Z is that of the law it trained on, and what it wrote
// loads.
#include <cmath>
#include <cstdio>

#include <support/program.hpp>

using diamond_test::quoted;
using diamond_test::run_program;

TEST_CASE("a map trained on a ring has the ring's log Z, and its file is a network") {
    const auto file = diamond_test::empty_folder("train_network") / "ring.safetensors";
    const auto [status, output] = run_program("train_network", quoted(file));
    INFO(output);
    REQUIRE(status == 0);
    double log_z = NAN, error = NAN, exact = NAN;
    const auto at = output.find("log Z ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(output.c_str() + at, "log Z %lf +- %lf, of the ring itself %lf", &log_z, &error,
                        &exact) == 3);
    CHECK(error < 0.05);
    // Four standard errors, and 0.05 for three thousand steps: the tilt's log Z moves by 0.05 where the
    // radius is wrong by 0.06.
    CHECK(std::abs(log_z - exact) <= 4.0 * error + 0.05);
    CHECK(std::abs(log_z) > 8.0 * error); // not that of no reward at all

    const auto loaded = run_program("load_network", quoted(file));
    INFO(loaded.output);
    CHECK(loaded.status == 0);
}
