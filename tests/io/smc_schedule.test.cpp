/// Schedules of SMC as JSON: every bit makes the round trip, and what is no schedule is refused.
#include <limits>
#include <stdexcept>

#include <doctest/doctest.h>

#include <diamond/io/smc_schedule.hpp>

#include "scratch.hpp"

namespace io_smc_schedule_test {

namespace io = diamond::io;
using diamond::smc_schedule;
using diamond_test::overwrite;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

TEST_CASE("a schedule makes the round trip with all bits, and prints itself") {
    const scratch folder;
    const smc_schedule schedule{.times = {0.0, 0.1, 1.0 / 3.0, 1.0 - 0x1p-53, 1.0},
                                .betas = {5e-324, 0.1 + 0.2, 0.7, 1.0}};
    io::save_smc_schedule(folder / "a.json", schedule);
    const auto read = io::load_smc_schedule(folder / "a.json");
    CHECK(read.times == schedule.times);
    CHECK(read.betas == schedule.betas);
    const smc_schedule one{.times = {0.0, 1.0}, .betas = {1.0}};
    CHECK(io::json_of(one).dump() ==
          R"({"format":"diamond_smc_schedule","version":1,"times":[0.0,1.0],"betas":[1.0]})");
}

TEST_CASE("what is no schedule is neither written nor read") {
    const scratch folder;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const auto& bad : {smc_schedule{}, smc_schedule{.times = {0.0, nan, 1.0}, .betas = {1.0, 1.0}},
                            smc_schedule{.times = {0.0, 0.5, 1.0}, .betas = {nan, 1.0}},
                            smc_schedule{.times = {0.0, 0.5, 1.0}, .betas = {1.0}}})
        CHECK_THROWS_AS(io::save_smc_schedule(folder / "a.json", bad), std::invalid_argument);
    const auto why = [&](const char* text) {
        overwrite(folder / "a.json", text);
        return reason([&] { static_cast<void>(io::load_smc_schedule(folder / "a.json")); });
    };
    const std::string begin = R"({"format": "diamond_smc_schedule", "version": 1, )";
    const auto with = [&](const char* rest) { return why((begin + rest).c_str()); };
    CHECK(with(R"("times": [0, 0.5, 1], "betas": [0.5, 1]})") == "nothing thrown");
    CHECK(why("[1, 2]") == Contains("no schedule of SMC"));
    CHECK(why(R"({"format": "x"})") == Contains("no schedule of SMC"));
    CHECK(why(R"({"format": "diamond_smc_schedule", "version": 2, "times": [0, 1], "betas": [1]})") ==
          Contains("'version' is not 1"));
    CHECK(with(R"("times": [0, 0.5, 1]})") == Contains("no list of numbers 'betas'"));
    CHECK(with(R"("times": [0, null, 1], "betas": [0.5, 1]})") == Contains("is null, which is no number"));
    CHECK(with(R"("times": [0, 1], "betas": [true]})") == Contains("is true, which is no number"));
    CHECK(with(R"("times": [0, 0.5, 0.5, 1], "betas": [1, 1, 1]})") == Contains("must increase"));
    CHECK(with(R"("times": [0, 0.5, 1], "betas": [-0.5, 1]})") == Contains("not negative"));
    CHECK(with(R"("times": [0, 0.5, 1], "betas": [0.5, 0.9]})") == Contains("ends with the exponent 0.9"));
    CHECK(with(R"("times": [0, 0.5, 1], "betas": [1]})") == Contains("3 times and 1 exponents"));
}

} // namespace io_smc_schedule_test
