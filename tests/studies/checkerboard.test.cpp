// Trainings too short to learn much leave every table and picture.
#include <filesystem>

#include <support/program.hpp>

TEST_CASE("every joint map is trained, and the tables and pictures are written") {
    const auto out = diamond_test::empty_folder("checkerboard");
    const auto [status, output] = diamond_test::run_program(
        "checkerboard",
        "--law mixture --all --steps 20 --batch 64 --width 16 --blocks 1 --threads 2 --seed 3 --out " +
            diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    for (const char* name : {"mixture.md", "mixture_densities.png", "mixture_samples_by_loss.png"})
        CHECK(std::filesystem::exists(out / name));
}

TEST_CASE("several seeds: a folder each, and tables of means and spreads over them") {
    const auto out = diamond_test::empty_folder("checkerboard_seeds");
    const auto [status, output] = diamond_test::run_program(
        "checkerboard",
        "--law mixture --steps 10 --batch 32 --width 8 --blocks 0 --threads 2 --seed 3 --seeds 2 --out " +
            diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(diamond_test::check_tables_over_two_seeds(out, "mixture", "seed_3", "seed_4") == 9 * 6 + 2);
    for (const char* name : {"mixture.md", "seed_3/mixture.md", "seed_4/mixture_densities.png"})
        CHECK(std::filesystem::exists(out / name));
    CHECK(diamond::io::read_text(out / "mixture.md", 1 << 20).find("means over the seeds") !=
          std::string::npos);
}

TEST_CASE("what cannot be is refused in a sentence") {
    CHECK(diamond_test::run_program("checkerboard", "--law nothing").status != 0);
    CHECK(diamond_test::run_program("checkerboard", "--steps 0").status != 0);
    for (const char* bad :
         {"--rate nan", "--rate -1", "--seed -1", "--seeds 0", "--seed 18446744073709551615 --seeds 2"})
        CHECK(diamond_test::run_program("checkerboard", bad).status != 0);
}
