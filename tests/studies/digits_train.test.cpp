// Training that is killed at random moments and goes on ends in the same bytes as training that is left
// alone, its loss curves too.
#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include <diamond/io/file.hpp>

#include <support/program.hpp>

namespace {

using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

// 2,000 steps of a small network in all, with a checkpoint every 20.
const std::string small = "train --network all --share 0.05 --width 16 --blocks 1 --batch 64 --checkpoint 20 "
                          "--threads 1 --seed 5 --out ";

std::string killed_after(double seconds, const std::string& arguments) {
    return "timeout -s KILL " + std::to_string(seconds) + " '" +
           (std::filesystem::path(DIAMOND_PROGRAMS) / "digits").string() + "' " + arguments +
           " 2>/dev/null >/dev/null";
}
std::string bytes(const std::filesystem::path& path) { return diamond::io::read_text(path, 1 << 24); }

} // namespace

TEST_CASE("kill -9 at random moments, resume: identical weights, identical loss curves") {
    const auto whole = empty_folder("digits_train"), broken = empty_folder("digits_train_killed");
    const auto [status, output] = run_program("digits", small + quoted(whole));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(output.find("diamond: step ") != std::string::npos);

    const auto seed = std::random_device{}();
    std::mt19937 random(seed);
    INFO("moments from seed ", seed);
    int kills = 0, resumed = 0;
    // longer and longer: on a busy machine, too, it comes to its end
    for (double longest = 0.2; kills < 100; longest *= 1.1, ++kills) {
        const double moment = std::uniform_real_distribution<>(0.02, longest)(random);
        if (std::system(killed_after(moment, small + quoted(broken)).c_str()) == 0) break;
        resumed += std::ranges::any_of(std::filesystem::directory_iterator(broken), [](const auto& entry) {
            return entry.path().extension() == ".training";
        });
    }
    CHECK(kills > 0);
    CHECK(resumed > 0); // a checkpoint was there to go on from
    for (const std::string name : {"teacher", "diamond", "taught"}) {
        INFO(name, " after ", kills, " kills");
        CHECK(bytes(whole / (name + ".safetensors")) == bytes(broken / (name + ".safetensors")));
        CHECK(!std::filesystem::exists(broken / (name + ".training")));
    }
    for (const std::string picture :
         {"teacher_diagonal.png", "diamond_diagonal.png", "diamond_lagrangian.png", "taught_diagonal.png",
          "taught_lagrangian.png"}) {
        INFO(picture);
        CHECK(bytes(whole / picture) == bytes(broken / picture));
    }
    // a picture tells one curve from another
    CHECK(bytes(whole / "diamond_diagonal.png") != bytes(whole / "taught_diagonal.png"));

    const auto again = run_program("digits", small + quoted(whole));
    CHECK(again.status == 0);
    CHECK(again.output.find("teacher: already trained in this way") != std::string::npos);
}

TEST_CASE("what train refuses") {
    const auto out = empty_folder("digits_train_refused");
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("digits", "train " + arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    refused("--network nonsense", "--network: nonsense not in {teacher,");
    refused("--share 0", "--share: '0' is no number from");
    refused("--network taught --share 1e-6 --width 8 --blocks 1 --out " + quoted(out),
            "teacher.safetensors: no such file");
    refused("--reward=ink", "not expected: --reward");
}

TEST_CASE("digits train: --device cuda trains on a GPU, or not at all") {
    diamond_test::check_device_cuda("digits",
                                    "train --network teacher --share 0.001 --width 16 --blocks 1 --batch 64");
}
