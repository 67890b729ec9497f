/// The studies with --device cuda: they find what they find on the CPU, say which device it was, and what
/// one device has trained halfway another finishes.
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/io/safetensors.hpp>

#include <support/program.hpp>

namespace cuda_studies_test {

using diamond_test::empty_folder, diamond_test::quoted, diamond_test::run_program;
using nlohmann::json;

namespace {

json report_in(const std::filesystem::path& folder) {
    std::ifstream file(folder / "report.json");
    REQUIRE(file.good());
    return json::parse(file);
}
/// The reports of the same run on both devices.
struct both {
    json cpu, gpu;

    both(const std::string& name, const std::string& arguments)
        : cpu(on("cpu", name, arguments)), gpu(on("cuda", name, arguments)) {
        CHECK(cpu["device"] == "cpu");
        CHECK(gpu["device"] != "cpu");
    }
    static json on(const std::string& device, const std::string& name, const std::string& arguments) {
        const auto out = empty_folder("device_" + name + "_" + device);
        const auto [status,
                    output] = run_program(name, arguments + " --device " + device + " --out " + quoted(out));
        INFO(output);
        REQUIRE(status == 0);
        return report_in(out);
    }
};
std::vector<float> parameters_in(const std::filesystem::path& network) {
    std::vector<float> result;
    for (const auto& [name, tensor] : diamond::io::read_safetensors(network).tensors)
        if (name.starts_with("layers.")) {
            const auto values = tensor.values<float>();
            result.insert(result.end(), values.begin(), values.end());
        }
    return result;
}

} // namespace

TEST_CASE("toy_2d draws on a device what it draws on the CPU") {
    const both found("toy_2d", "--particles 100 --steps 4");
    REQUIRE(found.gpu["samplers"].size() == found.cpu["samplers"].size());
    for (std::size_t k = 0; k < found.cpu["samplers"].size(); ++k) {
        const auto &here = found.cpu["samplers"][k], &there = found.gpu["samplers"][k];
        INFO(here["sampler"].get<std::string>());
        CHECK(there["sampler"] == here["sampler"]);
        CHECK(there["evaluations"] == here["evaluations"]);
        CHECK(there["energy_distance"].get<double>() ==
              doctest::Approx(here["energy_distance"].get<double>()).epsilon(1e-3).scale(1));
    }
}

TEST_CASE("learned_2d trains on a device as on the CPU") {
    const both found("learned_2d", "--steps 20 --batch 64 --width 16 --seed 3");
    for (const std::size_t law : {0U, 1U})
        for (const char* loss : {"diagonal_loss", "lagrangian_loss"})
            CHECK(found.gpu["laws"][law][loss].get<double>() ==
                  doctest::Approx(found.cpu["laws"][law][loss].get<double>()).epsilon(1e-3));
}

TEST_CASE("digits train: every network on a device as on the CPU") {
    const both found("digits", "train --share 0.001 --width 16 --blocks 1 --batch 64 --seed 5");
    REQUIRE(found.cpu["networks"].size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        const auto &here = found.cpu["networks"][k], &there = found.gpu["networks"][k];
        INFO(here["name"].get<std::string>());
        CHECK(there["name"] == here["name"]);
        CHECK(there["diagonal_loss"].get<double>() ==
              doctest::Approx(here["diagonal_loss"].get<double>()).epsilon(1e-3));
        CHECK(there["lagrangian_loss"].is_null() == here["lagrangian_loss"].is_null());
    }
}

TEST_CASE("digits train: the CPU finishes what a device began") {
    const std::string training = "train --network diamond --share 0.01 --width 16 --blocks 1 --batch 64 "
                                 "--seed 5 --checkpoint 10 --out ";
    const auto whole = empty_folder("device_whole"), begun = empty_folder("device_begun");
    REQUIRE(run_program("digits", training + quoted(whole)).status == 0);
    // Killed when it has left a checkpoint.
    const std::string program = quoted(std::filesystem::path(DIAMOND_PROGRAMS) / "digits"),
                      checkpoint = quoted(begun / "diamond.training");
    const std::string killed = program + " " + training + quoted(begun) +
                               " --device cuda 2>/dev/null & while [ ! -e " + checkpoint +
                               " ] && kill -0 $! 2>/dev/null; do sleep 0.001; done; kill -9 $!";
    REQUIRE(std::system(killed.c_str()) == 0);
    REQUIRE(std::filesystem::exists(begun / "diamond.training"));

    const auto [status, output] = run_program("digits", training + quoted(begun));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(report_in(begun)["device"] == "cpu");
    const auto found = parameters_in(begun / "diamond.safetensors"),
               expected = parameters_in(whole / "diamond.safetensors");
    REQUIRE(found.size() == expected.size());
    // AdamW divides rounding by rounding
    for (std::size_t p = 0; p < found.size(); ++p)
        CHECK(found[p] == doctest::Approx(expected[p]).epsilon(1e-2).scale(0.1));
}

} // namespace cuda_studies_test
