// The study of inference from its command line, small: trained networks, a report with its tables and
// pictures, corrected draws nearer than learned ones and an evidence within its errors; what cannot be is
// refused.
#include <cmath>
#include <filesystem>
#include <string>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

using diamond_test::quoted, diamond_test::run_program;

TEST_CASE("networks are trained, report and pictures are made, and corrections reach the truth") {
    const auto weights = diamond_test::empty_folder("inference_weights"),
               out = diamond_test::empty_folder("inference");
    const std::string task = "--task two_moons --simulations 4000 --threads 2 ";
    const std::string small = "train " + task + "--steps 1500 --batch 256 --width 32 --blocks 2 ";
    const auto trained = run_program("inference", small + "--out " + quoted(weights));
    INFO(trained.output);
    REQUIRE(trained.status == 0);
    for (const char* kind : {"diamond_map", "flow_map"})
        CHECK(std::filesystem::exists(weights / ("two_moons_4000_" + std::string(kind) + ".safetensors")));
    const auto again = run_program("inference", small + "--out " + quoted(weights));
    CHECK(again.output.find("already trained in this way") != std::string::npos);

    const auto told = run_program(
        "inference", task +
                         "--observations 2 --draws 2000 --effective 2000 --proposals 60000 --particles 4096 "
                         "--problems 50 --evaluations 1 4 --corrected 4 --weights " +
                         quoted(weights) + " --out " + quoted(out));
    INFO(told.output);
    REQUIRE(told.status == 0);
    for (const char* name : {"report.md", "two_moons_4000.png"}) CHECK(std::filesystem::exists(out / name));
    const auto report = diamond::io::read_json(out / "report.json");
    const auto& tables = report["tables"];
    REQUIRE(tables.contains("two_moons_4000_learned"));
    REQUIRE(tables.contains("two_moons_4000_corrected"));
    REQUIRE(tables.contains("two_moons_4000_ranks"));
    const auto c2st = [&](const char* table, const char* row) {
        return tables[std::string("two_moons_4000_") + table][row]["C2ST"].get<double>();
    };
    const double learned = c2st("learned", "Diamond map, 1 evaluation"),
                 smc = c2st("corrected", "SMC of early-stop transitions, 8 steps");
    const double corrected = c2st("corrected", "Diamond map, 4 evaluations, determinants");
    CHECK(learned > 0.7); // it was trained for seconds: 0.93
    CHECK(corrected < 0.54);
    CHECK(smc < 0.65);
}

TEST_CASE("what cannot be reported on is refused with a sentence") {
    const auto empty = diamond_test::empty_folder("inference_nothing");
    const auto none = run_program("inference",
                                  "--task slcp --weights " + quoted(empty) + " --out " + quoted(empty));
    CHECK(none.status != 0);
    CHECK(none.output.find("slcp_10000_diamond_map.safetensors") != std::string::npos);
    const auto unknown = run_program("inference", "--task gaussian");
    CHECK(unknown.status != 0);
    CHECK(unknown.output.find("two_moons") != std::string::npos);
    CHECK(run_program("inference", "--draws 0").status != 0);
    CHECK(run_program("inference", "train --rate nan").status != 0);
}
