// The shipped network loads, and log Z is that of its own samples; what is no network is refused.
#include <cmath>
#include <cstdio>

#include <support/program.hpp>

using diamond_test::quoted;
using diamond_test::run_program;

TEST_CASE("the shipped network's log Z is the mean of exp r over its samples") {
    const auto file = std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path() / "weights" /
                      "diamond.safetensors";
    const auto [status, output] = run_program("load_network", quoted(file));
    INFO(output);
    CHECK(status == 0);
    double log_z = NAN, error = NAN, plain = NAN, plain_error = NAN;
    REQUIRE(std::sscanf(output.c_str(), "log Z %lf +- %lf, %*d evaluations\nlog Z %lf +- %lf by", &log_z,
                        &error, &plain, &plain_error) == 4);
    CHECK(error < 0.1);
    CHECK(plain_error < 0.1);
    CHECK(std::abs(log_z - plain) <= 4.0 * std::hypot(error, plain_error));
    CHECK(std::abs(log_z) > 8.0 * error); // not that of no reward at all
    diamond_test::check_full_output("load_network", quoted(file));
}

TEST_CASE("what is no network is refused by name") {
    const auto [status, output] = run_program(
        "load_network", quoted(std::filesystem::path(DIAMOND_DIGITS_DATA) / "images.npy"));
    CHECK(status == 1);
    CHECK(output.find("images.npy") != std::string::npos);
}
