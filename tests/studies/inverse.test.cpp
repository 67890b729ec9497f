// The inverse problems, small: a row for each measurement and method with what the report promises, exact
// draws near their truths, and what has no meaning refused.
#include <cmath>
#include <filesystem>
#include <string>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

TEST_CASE("rows, report and pictures; exact draws are calibrated and the prior is worse") {
    const auto out = diamond_test::empty_folder("inverse");
    const auto [status, output] = diamond_test::run_program(
        "inverse", "--problems 3 --learned 2 --particles 32 --steps 4 --measurements mask blur --threads 2 "
                   "--seed 3 --out " +
                       diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    for (const char* name : {"report.md", "mask.png", "blur.png"}) CHECK(std::filesystem::exists(out / name));
    CHECK(!std::filesystem::exists(out / "noise.png"));

    const auto rows = diamond::io::read_json(out / "report.json");
    REQUIRE(rows.is_array());
    CHECK(rows.size() == 2 * 15);
    double prior = 0.0, exact = 0.0;
    for (const auto& row : rows) {
        const auto method = row["method"].get<std::string>();
        INFO(method);
        CHECK(row["problems"] == (method.find("learned") != std::string::npos ? 2 : 3));
        for (const char* name : {"coverage", "coverage_se", "spread_skill", "crps", "error"})
            CHECK(row[name].is_number());
        CHECK(row["coverage"].get<double>() >= 0.0);
        CHECK(row["coverage"].get<double>() <= 1.0);
        // Guidance, chains and the prior have no Z.
        CHECK(row["log_z_error"].is_number() == (method.find("SMC") != std::string::npos ||
                                                 method == "importance sampling" || method == "exact draws"));
        if (method == "the prior") prior += row["crps"].get<double>();
        if (method == "exact draws") {
            exact += row["crps"].get<double>();
            CHECK(row["exact"] == true);
            CHECK(row["log_z_error"] == 0.0);
        }
        if (method.find("learned") != std::string::npos || method == "DPS") CHECK(row["exact"] == false);
    }
    CHECK(exact < 0.8 * prior);
}

TEST_CASE("the exact model runs alone, and what has no meaning is refused in a sentence") {
    const auto out = diamond_test::empty_folder("inverse_exact");
    REQUIRE(diamond_test::run_program("inverse",
                                      "--problems 2 --particles 8 --steps 3 --measurements noise --learned 0 "
                                      "--threads 1 --out " +
                                          diamond_test::quoted(out))
                .status == 0);
    CHECK(diamond::io::read_json(out / "report.json").size() == 11);
    for (const char* bad : {"--problems 1", "--particles 7", "--steps 2", "--seed -1", "--measurements all"})
        CHECK(diamond_test::run_program("inverse", bad).status != 0);
    const auto [status, output] = diamond_test::run_program("inverse", "--data nowhere");
    CHECK(status == 1);
    CHECK(output.find("no such file") != std::string::npos);
}
