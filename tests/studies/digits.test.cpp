// The main job, from fewer particles than it takes by itself: what it writes, what is known exactly, and what
// it refuses.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <diamond/io/file.hpp>
#include <diamond/io/json.hpp>

#include <support/program.hpp>

namespace {

using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

/// The files that report.md shows.
std::set<std::string> shown(const std::filesystem::path& folder) {
    const std::string text = diamond::io::read_text(folder / "report.md", 1 << 20);
    std::set<std::string> files;
    for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1))
        files.insert(text.substr(at + 2, text.find(')', at) - at - 2));
    return files;
}

std::set<std::string> pictures(const std::filesystem::path& folder) {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".png") files.insert(entry.path().filename().string());
    return files;
}

} // namespace

TEST_CASE("a quick run: the report's rows, and what is known of them") {
    const auto out = empty_folder("digits");
    const auto [status, output] = run_program("digits",
                                              "--model exact --no-sweep --particles 512 --steps 8 --samples "
                                              "8 --glass-steps 2 --winners 32 --seed 1 --threads 2 --out " +
                                                  quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto report = diamond::io::read_json(out / "report.json");
    REQUIRE(report.is_array());

    const std::vector<std::string> rewards{"seven", "upper_half", "ink", "seven_ink"};
    const std::vector<std::string> methods{"prior",       "best_of_n", "beam",
                                           "tree_search", "guidance",  "smc_early_stop",
                                           "smc_ddpm",    "smc_glass", "weighted_diamond"};
    REQUIRE(report.size() == rewards.size() * methods.size());
    for (std::size_t k = 0; k < report.size(); ++k) {
        const auto& row = report[k];
        const std::string reward = rewards[k / methods.size()], method = methods[k % methods.size()];
        INFO(row.dump());
        CHECK(row.at("reward") == reward);
        CHECK(row.at("method") == method);
        CHECK(row.at("device") == "cpu");
        CHECK(row.at("model") == "exact");
        for (const auto* key : {"mean_reward", "mean_reward_se", "evaluations", "seconds", "energy_distance"})
            CHECK(row.at(key).is_number());
        CHECK(row.at("evaluations") > 0);
        CHECK(row.at("mean_reward_se") > 0.0);

        // null where a method, or a reward, has none
        const bool is_smc = method.starts_with("smc") || method == "weighted_diamond";
        const bool known = reward == "ink" || reward == "upper_half";
        CHECK(row.at("exact_for_sampler") == is_smc);
        CHECK(row.at("exact_for_density") == false);
        // the others' kernels are ODEs, solved nearly
        CHECK(row.at("exact_for_model") == (method == "smc_ddpm" || method == "weighted_diamond"));
        const std::string claim = row.at("exact_for");
        if (method == "prior") CHECK(claim == "untilted");
        if (method == "best_of_n" || method == "beam" || method == "tree_search") CHECK(claim == "maximises");
        if (method == "guidance") CHECK(claim == "approximates");
        if (method == "smc_glass") CHECK(claim == "sampler");
        if (method == "smc_ddpm") CHECK(claim == "sampler, model");
        CHECK(row.at("correction_ess").is_null());
        CHECK(row.at("failure").is_null());
        for (const auto* key : {"ess", "log_z"}) CHECK(row.at(key).is_number() == is_smc);
        // A run that warns tells none, as weighted Diamond's do, and one of the hardest reward.
        const bool told = method.starts_with("smc") && reward != "seven_ink";
        if (told || !is_smc) CHECK(row.at("log_z_se").is_number() == told);
        CHECK(row.at("log_z_exact").is_number() == known);
        CHECK(row.at("judge_accuracy").is_number() == (reward != "ink"));
        for (const auto* key : {"ess", "log_z", "log_z_se", "log_z_exact", "judge_accuracy"})
            CHECK((row.at(key).is_number() || row.at(key).is_null()));

        if (is_smc) {
            CHECK(row.at("ess") >= 1.0);
            CHECK(row.at("ess") <= 512.0);
            CHECK((row.at("log_z_se").is_null() || row.at("log_z_se") > 0.0));
        }
        // Four standard errors: false alarm 6e-5 a row. Weighted Diamond's cannot be relied on: see its
        // warnings.
        if (known && method.starts_with("smc"))
            CHECK(std::abs(row.at("log_z").get<double>() - row.at("log_z_exact").get<double>()) <=
                  4.0 * row.at("log_z_se").get<double>());
        // The prior is far from every target; SMC is near, and search does better than the prior in what it
        // maximises.
        const auto& prior = report[k / methods.size() * methods.size()];
        const double distance = row.at("energy_distance");
        if (method == "prior") CHECK(distance > 0.3);
        if (method.starts_with("smc"))
            CHECK(std::abs(distance) < 0.5 * prior.at("energy_distance").get<double>());
        if (method != "prior") CHECK(row.at("mean_reward") > prior.at("mean_reward"));
        if (reward == "seven" && is_smc) CHECK(row.at("judge_accuracy") > 0.9);
    }

    std::set<std::string> expected;
    for (const auto& reward : rewards)
        for (const std::string kind : {"samples", "sweep", "story", "ess"})
            expected.insert(kind + "_" + reward + ".png");
    CHECK(pictures(out) == expected);
    CHECK(shown(out) == expected);
}

TEST_CASE("corrected by the exact model's own densities: Z is the model's as far as the ODE is solved, which "
          "is not claimed to be exact") {
    const auto out = empty_folder("digits_corrected");
    const auto [status, output] = run_program(
        "digits", "--model exact --reward ink --method corrected prior --no-sweep --particles 256 --steps 8 "
                  "--samples 4 --threads 2 --out " +
                      quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto report = diamond::io::read_json(out / "report.json");
    REQUIRE(report.size() == 2); // in the order of the report, not of the command line
    const auto& row = report[1];
    INFO(row.dump());
    CHECK(row.at("method") == "corrected");
    for (const auto* key : {"exact_for_sampler", "exact_for_density", "exact_for_model"})
        CHECK(row.at(key) == false);
    CHECK(row.at("exact_for") == "approximates");
    CHECK(row.at("correction_ess") > 250.0); // of 256: the draws are already the model's
    // Four standard errors: false alarm 6e-5.
    CHECK(std::abs(row.at("log_z").get<double>() - row.at("log_z_exact").get<double>()) <=
          4.0 * row.at("log_z_se").get<double>());
    const auto text = diamond::io::read_text(out / "report.md", 1 << 20);
    CHECK(text.find("| judged right | exact for |") != std::string::npos);
    CHECK(text.find("| approximates |") != std::string::npos);
    CHECK(text.find("| untilted |") != std::string::npos);
}

TEST_CASE("a smaller run in a used folder: nothing of the earlier one is left or shown, and what is not ours "
          "stays") {
    const auto out = empty_folder("digits_again");
    for (const auto* name : {"story_seven.png", "ess_ink.png", "mine.png"}) std::ofstream(out / name) << name;
    const auto run = [&](const std::string& arguments) {
        const auto [status, output] = run_program(
            "digits",
            "align --model exact --no-sweep --reward ink --particles 64 --samples 2 --seed 1 --out " +
                quoted(out) + " " + arguments);
        INFO(output);
        CHECK(status == 0);
    };
    run("--steps 4 --method weighted_diamond");
    CHECK(pictures(out) ==
          std::set<std::string>{"samples_ink.png", "sweep_ink.png", "ess_ink.png", "mine.png"});
    CHECK(shown(out) == std::set<std::string>{"samples_ink.png", "sweep_ink.png", "ess_ink.png"});
    run("--steps 4 --method prior");
    CHECK(pictures(out) == std::set<std::string>{"samples_ink.png", "sweep_ink.png", "mine.png"});
    CHECK(shown(out) == std::set<std::string>{"samples_ink.png", "sweep_ink.png"});
    run("--steps 33 --method smc_ddpm"); // a story longer than its picture
    CHECK(shown(out) ==
          std::set<std::string>{"samples_ink.png", "sweep_ink.png", "story_ink.png", "ess_ink.png"});
}

TEST_CASE("align over seeds: the means of theirs") {
    const auto out = empty_folder("digits_seeds");
    const auto [status, output] = run_program(
        "digits", "align --model exact --no-sweep --reward ink --method prior smc_ddpm --particles 64 "
                  "--samples 2 --steps 4 --seed 3 --seeds 2 --threads 2 --out " +
                      quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto tables = diamond::io::read_json(out / "report.json").at("tables");
    const auto one = diamond::io::read_json(out / "seed_3" / "report.json"),
               other = diamond::io::read_json(out / "seed_4" / "report.json");
    REQUIRE(one.size() == 2);
    for (std::size_t k = 0; k < one.size(); ++k) {
        const auto& row = tables.at("ink").at(one[k].at("method").get<std::string>());
        for (const auto& [column, key] :
             {std::pair{"mean reward", "mean_reward"}, std::pair{"energy distance", "energy_distance"},
              std::pair{"evaluations", "evaluations"}, std::pair{"seconds", "seconds"}})
            diamond_test::check_over_two_seeds(row.at(column), one[k].at(key), other[k].at(key));
    }
    diamond_test::check_over_two_seeds(tables.at("ink").at("smc_ddpm").at("log Z"), one[1].at("log_z"),
                                       other[1].at("log_z"));
    CHECK(tables.at("ink").at("prior").at("log Z") == "–");
    CHECK(diamond::io::read_text(out / "report.md", 1 << 20).find("over 2 seeds from 3") !=
          std::string::npos);
    CHECK(run_program("digits", "align --seeds 0").status != 0);
}

TEST_CASE("--device cuda runs on a GPU, or not at all") {
    const auto out = empty_folder("digits_device");
    const auto [status, output] = run_program(
        "digits", "--device cuda --no-sweep --reward ink --method smc_ddpm --particles 64 --steps 4 --out " +
                      quoted(out));
    INFO(output);
    if (status == 0) {
        for (const auto& row : diamond::io::read_json(out / "report.json"))
            CHECK(row.at("device").get<std::string>().find("(cuda 0)") != std::string::npos);
    } else {
        const bool without = output.find("built without CUDA") != std::string::npos,
                   no_device = output.find("cuda: ") != std::string::npos;
        CHECK((without || no_device));
        CHECK_FALSE(std::filesystem::exists(out / "report.json"));
    }
}

TEST_CASE("what it refuses, and how it says so") {
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("digits", arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    const auto out = empty_folder("digits_refused");
    refused("--nonsense", "not expected: --nonsense");
    refused("--particles 0", "--particles: Value 0 not in range 2 to");
    refused("--method nonsense", "--method: nonsense not in {prior,");
    refused("--reward nonsense", "--reward: nonsense not in {seven,");
    refused("--bandwidth 0", "--bandwidth: '0' is no number from 0.01 to 10");
    refused("--noise nan", "--noise: 'nan' is no number from");
    refused("--seed -1", "--seed: '-1' is below zero");
    refused("--data " + quoted(out / "none"), "none/images.npy: no such file");

    std::ofstream(out / "file") << "no folder";
    refused("--out " + quoted(out / "file"), "file: no folder to write to: ");
    refused("--out " + quoted(out / "file" / "deeper"), "deeper: no folder to write to: ");

    for (const auto* name : {"images.npy", "labels.npy", "held_out.npy"})
        std::filesystem::copy_file(std::filesystem::path(DIAMOND_DIGITS_DATA) / name, out / name);
    std::filesystem::resize_file(out / "images.npy", 5000);
    refused("--data " + quoted(out), "images.npy: truncated: ");
    std::filesystem::copy_file(out / "labels.npy", out / "images.npy",
                               std::filesystem::copy_options::overwrite_existing);
    refused("--data " + quoted(out), "images.npy: misshapen: ");
}
