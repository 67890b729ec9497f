// Trainings of seconds leave every table and picture, and corrections that help already.
#include <cmath>
#include <filesystem>
#include <string>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

TEST_CASE("the report and every picture are written, and corrected by determinants beats uncorrected") {
    const auto out = diamond_test::empty_folder("self_correction");
    const auto [status, output] = diamond_test::run_program(
        "self_correction", "--quick --threads 2 --seed 3 --out " + diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(output.find(" nan") == std::string::npos); // "determinants" has the letters
    CHECK(std::filesystem::exists(out / "report.md"));
    for (const std::string part : {"values", "draws", "runs"})
        CHECK(std::filesystem::exists(out / (part + ".png")));

    const auto tables = diamond::io::read_json(out / "report.json")["tables"];
    for (const std::string map : {"taught", "from data alone"}) {
        const auto as_drawn = tables["draws"][map],
                   corrected = tables["draws"][map + ", corrected by determinants"];
        // Seeds 1 to 8: at most 0.22 of it. Weights of rare components can be off by more of their own errors
        // than before: few draws then tell.
        for (const std::string moment : {"mean", "covariance"}) {
            INFO(map << ", " << moment);
            CHECK(corrected[moment].get<double>() < 0.5 * as_drawn[moment].get<double>());
        }
    }
    const auto exact_for = [&](const char* run) {
        return tables["runs"][run]["exact for"].get<std::string>();
    };
    CHECK(exact_for("taught") == "the sampler");
    CHECK(exact_for("taught, corrected by its head") == "–"); // which knows its density approximately
    CHECK(exact_for("taught, corrected by determinants") == "the density, the model");
    CHECK(exact_for("taught, determinants, joint density") == "the density");
}

TEST_CASE("a part alone trains what it needs, and what cannot be is refused in a sentence") {
    const auto out = diamond_test::empty_folder("self_correction_values");
    const auto [status, output] = diamond_test::run_program(
        "self_correction",
        "--quick --part values --steps 20 --draws 1000 --threads 2 --out " + diamond_test::quoted(out));
    CHECK(status == 0);
    CHECK(output.find("joint flow map") != std::string::npos);
    CHECK(output.find("taught Diamond map") == std::string::npos);
    CHECK(std::filesystem::exists(out / "values.png"));
    CHECK_FALSE(std::filesystem::exists(out / "runs.png"));
    // Several seeds: a folder each, and a report of means and spreads over them.
    const auto several = diamond_test::run_program(
        "self_correction",
        "--quick --part values --steps 20 --draws 1000 --seed 3 --seeds 2 --threads 2 --out " +
            diamond_test::quoted(out));
    REQUIRE(several.status == 0);
    CHECK(diamond_test::check_tables_over_two_seeds(out, "report", "seed_3", "seed_4") > 4 * 5 * 8);
    for (const char* bad : {"--seeds 0", "--steps 0", "--short-steps 0", "--part none", "--rate nan",
                            "--seed -1", "--seed 99999999999999999999", "--islands 1", "--draws 5"})
        CHECK(diamond_test::run_program("self_correction", bad).status != 0);
}
