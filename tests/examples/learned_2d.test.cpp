// A training too short to learn much leaves every table and picture.
#include "program.hpp"

#include <filesystem>
#include <string>

TEST_CASE("the report and every picture are written, and no figure is missing") {
    const auto out              = diamond_test::empty_folder("learned_2d");
    const auto [status, output] = diamond_test::run_example("learned_2d", "--steps 20 --batch 64 --width 16 --threads 2 --seed 3 --out " + diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    CHECK(std::filesystem::exists(out / "report.md"));
    CHECK(diamond::io::read_text(out / "report.json", 1 << 20).find("\"device\": \"cpu\"") != std::string::npos);
    for (const std::string law : {"mixture", "checkerboard"})
        for (const std::string kind : {"posteriors", "samples", "training"}) CHECK(std::filesystem::exists(out / (law + "_" + kind + ".png")));
}

TEST_CASE("a folder that cannot be written to is found before any training, by every program that trains") {
    for (const std::string program : {"learned_2d", "checkerboard", "self_correction", "digits train"}) {
        const auto space = program.find(' ');
        for (const std::string folder : {"/proc", "/proc/version/x"}) { // read-only to root, too, and below a file
            const auto [status, output] = diamond_test::run_example(program.substr(0, space), (space == std::string::npos ? "" : program.substr(space + 1) + " ") + ("--out " + folder));
            INFO(program, ": ", output);
            CHECK(status != 0);
            CHECK(output.find(folder) != std::string::npos);
            CHECK(output.find("step ") == std::string::npos); // nothing was trained
        }
    }
}

TEST_CASE("what cannot be is refused in a sentence") {
    CHECK(diamond_test::run_example("learned_2d", "--steps 0").status != 0);
    CHECK(diamond_test::run_example("learned_2d", "--rate -1").status != 0);
    for (const char* bad : {"--rate nan", "--seed -1"}) CHECK(diamond_test::run_example("learned_2d", bad).status != 0);
}

TEST_CASE("learned_2d: --device cuda trains on a GPU, or not at all") { diamond_test::check_device_cuda("learned_2d", "--steps 20 --batch 64 --width 16"); }
