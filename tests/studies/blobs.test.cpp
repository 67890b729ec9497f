// A training too short to learn much leaves the report with a row for each network and time.
#include <filesystem>

#include <support/program.hpp>

TEST_CASE("the report has the trainings and posteriors of all networks, and no figure is missing") {
    const auto out = diamond_test::empty_folder("blobs");
    const auto [status, output] = diamond_test::run_program(
        "blobs", "--seconds 0.1 --batch 4 --points 3000 --states 10 --draws 2 --threads 2 --seed 3 --out " +
                     diamond_test::quoted(out));
    INFO(output);
    CHECK(status == 0);
    CHECK(output.find("nan") == std::string::npos);
    CHECK(std::filesystem::exists(out / "report.md"));
    const auto report = diamond::io::read_json(out / "report.json");
    CHECK(report.at("device") == "cpu");
    CHECK(report.at("tables").at("posteriors").size() == 12);
    for (const char* network : {"MLP", "U-Net", "DiT"})
        CHECK(report.at("tables").at("trainings").at(network).at("steps").get<double>() >= 100);
}
