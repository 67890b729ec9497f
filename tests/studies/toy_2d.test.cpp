// The plane's pictures, from few particles.
#include <filesystem>
#include <string>

#include <support/program.hpp>

TEST_CASE("every picture is written, and nothing is said to be wrong") {
    const auto out = diamond_test::empty_folder("toy_2d");
    const auto [status, output] = diamond_test::run_program(
        "toy_2d", "--particles 500 --steps 8 --threads 2 --out " + diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    CHECK(diamond::io::read_text(out / "report.json", 1 << 20).find("\"device\": \"cpu\"") !=
          std::string::npos);
    for (const std::string model : {"checkerboard", "two_moons"})
        for (const std::string kind : {"prior", "posterior", "tilt"}) {
            const auto file = out / (model + "_" + kind + ".png");
            INFO(file.string());
            CHECK(std::filesystem::exists(file));
            CHECK(output.find(file.string()) != std::string::npos);
        }
}

TEST_CASE("toy_2d: --device cuda runs on a GPU, or not at all") {
    diamond_test::check_device_cuda("toy_2d", "--particles 100 --steps 2");
}
