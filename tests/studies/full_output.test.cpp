// Standard output that cannot be written is an error, in a sentence, of every study.
#include <filesystem>
#include <string>
#include <tuple>

#include <support/program.hpp>

using diamond_test::check_full_output;

TEST_CASE("a full standard output is an error: help") {
    if (!std::filesystem::exists("/dev/full")) return;
    for (const char* program : {"digits", "toy_2d", "learned_2d", "checkerboard", "self_correction", "mnist"})
        check_full_output(program, "--help");
    for (const char* command : {"align", "train", "sample", "likelihood", "self-guidance", "anomaly"})
        check_full_output("digits", std::string(command) + " --help");
    // what can be written is none
    CHECK(diamond_test::run_program("digits", "--help >/dev/null").status == 0);
}

TEST_CASE("a full standard output is an error: tiny runs, whose files are written all the same") {
    if (!std::filesystem::exists("/dev/full")) return;
    for (const auto& [program, arguments, left] :
         {std::tuple{"checkerboard", "--law mixture --steps 10 --batch 32 --width 8 --blocks 0",
                     "mixture.md"},
          std::tuple{"self_correction", "--quick --part values --steps 20 --draws 128", "report.md"},
          std::tuple{"digits", "align --model exact --no-sweep --reward ink --method prior --particles 64",
                     "report.md"},
          std::tuple{"digits", "likelihood --images 2 --tolerance 1e-1", "likelihood.md"},
          std::tuple{"digits", "anomaly --images 4 --evaluations 1", "anomaly.md"},
          std::tuple{"digits", "anomaly --images 4 --evaluations 1 --seeds 2", "anomaly.md"},
          std::tuple{"digits", "train --network teacher --share 1e-6 --width 8 --blocks 1", "report.json"}}) {
        const auto out = diamond_test::empty_folder(std::string("full_output_") + program);
        check_full_output(program,
                          std::string(arguments) + " --threads 2 --out " + diamond_test::quoted(out));
        CHECK(std::filesystem::exists(out / left));
    }
}
