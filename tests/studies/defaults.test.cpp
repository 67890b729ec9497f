// The study of a default run, small: a row for every problem and method, evaluations within those of the
// default, and what cannot be run refused.
#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

TEST_CASE("a row for each problem and method, at equal evaluations") {
    const auto out = diamond_test::empty_folder("defaults");
    const auto digits = std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path();
    const auto [status, output] = diamond_test::run_program(
        "defaults", "--runs 2 --particles 64 --steps 4 --truth 16384 --threads 2 --seed 3 --digits " +
                        diamond_test::quoted(digits) + " --out " + diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(std::filesystem::exists(out / "report.md"));
    const auto rows = diamond::io::read_json(out / "report.json")["tables"]["methods"];
    CHECK(rows.size() == 8 * 5);
    for (const char* bad : {"--runs 1", "--particles 1", "--steps 2", "--problem d", "--seed -1",
                            "--threads -1", "--digits /nowhere --problem e"})
        CHECK(diamond_test::run_program("defaults", std::string(bad) + " --out " + diamond_test::quoted(out))
                  .status != 0);
}
