// Trainings too short to learn much leave every table and picture.
#include "program.hpp"

#include <filesystem>

TEST_CASE("every joint map is trained, and the tables and pictures are written") {
    const auto out              = diamond_test::empty_folder("checkerboard");
    const auto [status, output] = diamond_test::run_example("checkerboard", "--law mixture --all --steps 20 --batch 64 --width 16 --blocks 1 --threads 2 --seed 3 --out " + diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    for (const char* name : {"mixture.md", "mixture_densities.png", "mixture_samples_by_loss.png"}) CHECK(std::filesystem::exists(out / name));
}

TEST_CASE("what cannot be is refused in a sentence") {
    CHECK(diamond_test::run_example("checkerboard", "--law nothing").status != 0);
    CHECK(diamond_test::run_example("checkerboard", "--steps 0").status != 0);
    for (const char* bad : {"--rate nan", "--rate -1", "--seed -1"}) CHECK(diamond_test::run_example("checkerboard", bad).status != 0);
}
