// The example that newcomers copy: it trains, its log Z is that of the law it trained on, and what it wrote
// and what is shipped load.
#include <cmath>
#include <cstdio>

#include "program.hpp"

namespace {

using diamond_test::quoted;
using diamond_test::run_example;

struct numbers {
    double log_z = NAN, error = NAN;
};
numbers log_z_of(const std::string& output) {
    numbers found;
    const auto at = output.find("log Z ", output.find("log Z of a ring") == std::string::npos
                                              ? 0
                                              : output.find("log Z of a ring") + 1);
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(output.c_str() + at, "log Z %lf +- %lf,", &found.log_z, &found.error) == 2);
    return found;
}

} // namespace

TEST_CASE("a map trained on a ring has the ring's log Z, and its file gives the same again") {
    const auto file = diamond_test::empty_folder("own_network") / "ring.safetensors";
    const auto [status, output] = run_example("own_network", quoted(file));
    INFO(output);
    REQUIRE(status == 0);
    double exact = NAN;
    REQUIRE(std::sscanf(output.c_str() + output.find("log Z of"), "log Z of a ring is %lf", &exact) == 1);
    const auto found = log_z_of(output);
    CHECK(found.error < 0.05);
    // Four standard errors, and 0.05 for three thousand steps: the tilt's log Z moves by 0.05 where the
    // radius is wrong by 0.06.
    CHECK(std::abs(found.log_z - exact) <= 4.0 * found.error + 0.05);
    CHECK(std::abs(found.log_z) > 8.0 * found.error); // not that of no reward at all
    const auto again = run_example("own_network", quoted(file));
    CHECK(again.status == 0);
    CHECK(log_z_of(again.output).log_z == found.log_z);
}

TEST_CASE("a shipped network loads; what is no network is refused") {
    const auto shipped = run_example(
        "own_network",
        quoted(std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path() / "weights" / "diamond.safetensors"));
    INFO(shipped.output);
    CHECK(shipped.status == 0);
    CHECK(std::isfinite(log_z_of(shipped.output).log_z));
    const auto refused = run_example("own_network",
                                     quoted(std::filesystem::path(DIAMOND_DIGITS_DATA) / "images.npy"));
    CHECK(refused.status == 1);
    CHECK(refused.output.find("images.npy") != std::string::npos);
}
