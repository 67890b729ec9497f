// The models of MNIST: a tiny teacher and its students are trained, killed and resumed to the same bytes.
#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include <diamond/io/file.hpp>

#include <support/program.hpp>

namespace studies_mnist_train_test {

namespace {

using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

// A flow matching, a Diamond map by a teacher through GLASS, and a joint map: the other models differ from
// these by their loss alone.
const std::string tiny = "train --network teacher taught lagrangian --share 0.001 --width 8 --batch 8 "
                         "--images 300 --checkpoint 2 --threads 1 --seed 5 --out ";

std::string killed_after(double seconds, const std::string& arguments) {
    return "timeout -s KILL " + std::to_string(seconds) + " '" +
           (std::filesystem::path(DIAMOND_PROGRAMS) / "mnist").string() + "' " + arguments +
           " 2>/dev/null >/dev/null";
}
std::string bytes(const std::filesystem::path& path) { return diamond::io::read_text(path, 1 << 24); }

} // namespace

TEST_CASE("mnist train: kill -9 at random moments, resume: identical models") {
    const auto whole = empty_folder("mnist_train"), broken = empty_folder("mnist_train_killed");
    const auto [status, output] = run_program("mnist", tiny + quoted(whole));
    INFO(output);
    REQUIRE(status == 0);
    CHECK(output.find("lagrangian: step ") != std::string::npos);

    const auto seed = std::random_device{}();
    std::mt19937 random(seed);
    INFO("moments from seed ", seed);
    int kills = 0, resumed = 0;
    // longer and longer: on a busy machine, too, it comes to its end
    for (double longest = 0.5; kills < 100; longest *= 1.2, ++kills) {
        const double moment = std::uniform_real_distribution<>(0.1, longest)(random);
        if (std::system(killed_after(moment, tiny + quoted(broken)).c_str()) == 0) break;
        resumed += std::ranges::any_of(std::filesystem::directory_iterator(broken), [](const auto& entry) {
            return entry.path().extension() == ".training";
        });
    }
    CHECK(kills > 0);
    for (const std::string name : {"teacher", "taught", "lagrangian"}) {
        INFO(name, " after ", kills, " kills, of which ", resumed, " left a checkpoint");
        CHECK(bytes(whole / (name + ".safetensors")) == bytes(broken / (name + ".safetensors")));
        CHECK(!std::filesystem::exists(broken / (name + ".training")));
    }
    CHECK(bytes(whole / "taught.safetensors") != bytes(whole / "teacher.safetensors"));

    const auto again = run_program("mnist", tiny + quoted(whole));
    CHECK(again.status == 0);
    CHECK(again.output.find("teacher: already trained in this way") != std::string::npos);
}

TEST_CASE("mnist train: what it refuses") {
    const auto out = empty_folder("mnist_train_refused");
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("mnist", "train " + arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    refused("--network nonsense", "--network: nonsense not in {teacher,");
    refused("--share 0", "--share: '0' is no number from");
    refused("--network taught --images 10 --out " + quoted(out), "teacher.safetensors");
    refused("--data " + quoted(out), "no such file");
}

} // namespace studies_mnist_train_test
