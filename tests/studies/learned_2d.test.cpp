// A training too short to learn much leaves every table and picture.
#include <filesystem>
#include <string>

#include <support/program.hpp>

TEST_CASE("the report and every picture are written, and no figure is missing") {
    const auto out = diamond_test::empty_folder("learned_2d");
    const auto [status, output] = diamond_test::run_program(
        "learned_2d",
        "--steps 20 --batch 64 --width 16 --threads 2 --seed 3 --out " + diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    CHECK(std::filesystem::exists(out / "report.md"));
    CHECK(diamond::io::read_text(out / "report.json", 1 << 20).find("\"device\": \"cpu\"") !=
          std::string::npos);
    for (const std::string law : {"mixture", "checkerboard"})
        for (const std::string kind : {"posteriors", "samples", "training"})
            CHECK(std::filesystem::exists(out / (law + "_" + kind + ".png")));
}

TEST_CASE("several seeds: a folder each, and tables of means and spreads over them") {
    const auto out = diamond_test::empty_folder("learned_2d_seeds");
    const auto [status, output] = diamond_test::run_program(
        "learned_2d", "--steps 10 --batch 32 --width 8 --blocks 0 --threads 2 --seed 3 --seeds 2 --out " +
                          diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    // Posteriors of 9 states by 4 rows, of 5 figures and for the mixture three weights; 12 rows of errors; 4
    // of samples; 18 of values twice; 2 trainings.
    CHECK(diamond_test::check_tables_over_two_seeds(out, "report", "seed_3", "seed_4") > 36 * 13);
    const auto report = diamond::io::read_json(out / "report.json");
    CHECK(report.at("seeds") == nlohmann::json{3, 4});
    const auto seconds = [&](const char* seed) {
        return diamond::io::read_json(out / seed / "report.json").at("laws")[0].at("seconds").get<double>();
    };
    diamond_test::check_over_two_seeds(report.at("tables").at("trainings").at("mixture").at("seconds"),
                                       seconds("seed_3"), seconds("seed_4"));
    for (const char* name : {"report.md", "seed_3/report.md", "seed_4/mixture_posteriors.png"})
        CHECK(std::filesystem::exists(out / name));
}

TEST_CASE("a folder that cannot be written to is found before any work, by every program") {
    for (const std::string program :
         {"learned_2d", "learned_2d --seeds 2", "checkerboard", "self_correction", "toy_2d", "digits train",
          "digits align", "digits sample", "digits likelihood", "digits anomaly --seeds 2",
          "digits self-guidance"}) {
        const auto space = program.find(' ');
        // read-only to root, too, and below a file
        for (const std::string folder : {"/proc", "/proc/version/x"}) {
            const auto [status, output] = diamond_test::run_program(
                program.substr(0, space),
                (space == std::string::npos ? "" : program.substr(space + 1) + " ") + ("--out " + folder));
            INFO(program, ": ", output);
            CHECK(status != 0);
            CHECK(output.find(folder) != std::string::npos);
            CHECK(output.find("step ") == std::string::npos); // nothing was trained
            CHECK(output.find("filesystem error") == std::string::npos);
            if (folder != "/proc") CHECK(output.find("no folder to write to") != std::string::npos);
        }
    }
}

TEST_CASE("what cannot be is refused in a sentence") {
    CHECK(diamond_test::run_program("learned_2d", "--steps 0").status != 0);
    CHECK(diamond_test::run_program("learned_2d", "--rate -1").status != 0);
    for (const char* bad : {"--rate nan", "--seed -1", "--seeds 0"})
        CHECK(diamond_test::run_program("learned_2d", bad).status != 0);
}

TEST_CASE("learned_2d: --device cuda trains on a GPU, or not at all") {
    diamond_test::check_device_cuda("learned_2d", "--steps 20 --batch 64 --width 16");
}
