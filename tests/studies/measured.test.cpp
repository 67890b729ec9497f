// The measured mixture, small: rows as the report promises, guided runs near the truth where others are far,
// and what cannot be measured refused.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

TEST_CASE("rows, report and pictures; guided runs are near the exact answer, and others are not") {
    const auto out = diamond_test::empty_folder("measured");
    const std::string
        small = "--problems 2 --steps 16 --particles 128 --dimension 48 --outputs 24 --threads 2 "
                "--seed 3 --out ";
    const auto [status, output] = diamond_test::run_program("measured", small + diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    for (const char* name : {"report.md", "errors.png", "particles.png"})
        CHECK(std::filesystem::exists(out / name));

    const auto rows = diamond::io::read_json(out / "report.json");
    REQUIRE(rows.is_array());
    CHECK(rows.size() == 2 * 9);
    std::size_t importance = 0;
    for (const auto& row : rows) {
        const auto method = row["method"].get<std::string>();
        INFO(method);
        for (const char* name : {"problem", "particles", "steps", "mean_error", "floor", "log_z",
                                 "log_z_exact", "ess", "evaluations", "seconds"})
            CHECK(row[name].is_number());
        const double error = row["mean_error"],
                     off = std::abs(row["log_z"].get<double>() - row["log_z_exact"].get<double>());
        // Either a standard error, or warnings that say why there is none.
        CHECK(row["log_z_se"].is_null() != row["warnings"].empty());
        if (!row["log_z_se"].is_null()) CHECK(off < 4.0 * row["log_z_se"].get<double>());
        if (method.find("guided, exact V") != std::string::npos) { // seeds 1 to 5: at most 0.62 and 0.46
            CHECK(error < 1.0);
            CHECK(off < 1.5);
        } else if (method.find("guided") != std::string::npos) { // at most 0.77 and 1.4
            CHECK(error < 1.5);
            CHECK(off < 4.0);
        } else { // at least 2.5
            CHECK(error > 1.5);
            CHECK(row["log_z_se"].is_null());
        }
        importance += method == "importance sampling";
    }
    CHECK(importance == 2);

    // The same figures on one thread, but for the seconds.
    const auto again = diamond_test::empty_folder("measured_again");
    REQUIRE(diamond_test::run_program("measured",
                                      "--problems 2 --steps 16 --particles 128 --dimension 48 --outputs "
                                      "24 --threads 1 --seed 3 --out " +
                                          diamond_test::quoted(again))
                .status == 0);
    auto one = rows, other = diamond::io::read_json(again / "report.json");
    for (auto* all : {&one, &other})
        for (auto& row : *all) row.erase("seconds");
    CHECK(one == other);
}

TEST_CASE("what cannot be measured is refused in a sentence") {
    for (const char* bad : {"--problems 0", "--steps 0", "--particles 1", "--dimension 1", "--outputs 0",
                            "--seed -1", "--steps nan", "--threads -1"})
        CHECK(diamond_test::run_program("measured", bad).status != 0);
    const auto [status, output] = diamond_test::run_program("measured", "--dimension 8 --outputs 9");
    CHECK(status == 1);
    CHECK(output.find("--outputs 9 of --dimension 8") != std::string::npos);
}

TEST_CASE(
    "in the plane guided runs of a map learned in seconds come near exact draws, and log Z to a tenth") {
    const auto out = diamond_test::empty_folder("measured_plane");
    const auto [status, output] = diamond_test::run_program(
        "measured",
        "plane --training 400 --particles 512 --seeds 2 --threads 2 --out " + diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(std::filesystem::exists(out / "report.md"));
    const auto rows = diamond::io::read_json(out / "report.json");
    REQUIRE(rows.size() == 9);
    // log of (s/S) (exp(-(-1 + 1.2)^2/(2 S^2)) + exp(-1/(2 S^2)) + exp(-(-1 - 1.2)^2/(2 S^2)))/3, S^2 = 1.08
    double z = 0.0;
    for (const double miss : {0.2, -1.0, -2.2})
        z += std::exp(-0.5 * miss * miss / 1.08) * 0.2 / std::sqrt(1.08) / 3.0;
    for (const auto& row : rows) {
        const auto method = row["method"].get<std::string>();
        INFO(method);
        CHECK(row["log_z_exact"].get<double>() == doctest::Approx(std::log(z)));
        if (method == "exact draws, the floor") CHECK(row["sliced_w2"].get<double>() < 0.6);
        if (method == "exact model: SMC, moments, guided") CHECK(row["log_z_error"].get<double>() < 0.25);
    }
    CHECK(diamond_test::run_program("measured", "plane --seeds 0").status != 0);
}
