// The main job on the shipped weights: its methods agree on log Z; and what the models draw.
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>

#include <diamond/io/file.hpp>
#include <diamond/io/json.hpp>
#include <diamond/io/safetensors.hpp>

#include <support/program.hpp>

namespace {

using diamond_test::empty_folder;
using diamond_test::quoted;
using diamond_test::run_program;

nlohmann::ordered_json align(const std::string& name, const std::string& arguments) {
    const auto out = empty_folder(name);
    const auto [status, output] = run_program("digits",
                                              "--no-sweep --particles 512 --steps 8 --samples 8 "
                                              "--glass-steps 2 --winners 32 --seed 1 --threads 2 --out " +
                                                  quoted(out) + " " + arguments);
    INFO(output);
    REQUIRE(status == 0);
    return diamond::io::read_json(out / "report.json");
}

} // namespace

TEST_CASE("log Z of early stop, DDPM posterior and GLASS agree on the learned model, and sevens are sevens") {
    const auto report = align("digits_learned",
                              "--reward seven ink --method smc_early_stop smc_ddpm smc_glass");
    REQUIRE(report.size() == 6);
    for (std::size_t first = 0; first < report.size(); first += 3)
        for (std::size_t k = first; k < first + 3; ++k) {
            const auto& row = report[k];
            INFO(row.dump());
            CHECK(row.at("model") == "learned");
            CHECK(row.at("exact_for_sampler") == true);
            CHECK(row.at("exact_for_density") == false);
            CHECK(row.at("exact_for_model") == false);
            CHECK(row.at("exact_for") == "sampler");
            if (row.at("reward") == "seven")
                CHECK(row.at("judge_accuracy") > 0.8); // of a quick run: the whole one has above 0.9
            // Four standard errors of the difference, a false alarm of 6e-5 for each pair; 0.1 for the end
            // laws of three kernels, which differ.
            for (std::size_t other = first; other < k; ++other) {
                const double error = std::hypot(row.at("log_z_se").get<double>(),
                                                report[other].at("log_z_se").get<double>());
                CHECK(std::abs(row.at("log_z").get<double>() - report[other].at("log_z").get<double>()) <=
                      4.0 * error + 0.1);
            }
        }
}

TEST_CASE(
    "a condition makes the class, with the exact model of that class as the truth; guidance costs twice") {
    const auto plain = align("digits_condition", "--reward upper_half --method prior smc_ddpm --condition 7");
    const auto guided = align(
        "digits_guided",
        "--reward upper_half --method prior smc_ddpm --condition 7 --guidance-weight 2 --evaluations 2");
    for (std::size_t k = 0; k < 2; ++k) {
        CHECK(plain[k].at("log_z_exact") == guided[k].at("log_z_exact"));
        CHECK(plain[k].at("exact_for_sampler") == (k == 1));
        CHECK(guided[k].at("evaluations").get<int>() == 4 * plain[k].at("evaluations").get<int>());
    }
    // The class agrees better with a held-out seven's energy distance than the law of all: its prior is near,
    // where that of all is far.
    CHECK(plain[0].at("energy_distance") <
          align("digits_unconditional", "--reward upper_half --method prior")[0].at("energy_distance"));
}

TEST_CASE("corrected to the law of the joint map: exact for that density; where the map folds a row says so, "
          "and the others stand") {
    const auto run = [](const std::string& name, const std::string& arguments) {
        const auto out = empty_folder(name);
        const auto [status, output] = run_program(
            "digits", "--no-sweep --reward ink --particles 64 --samples 2 --threads 2 --out " + quoted(out) +
                          " " + arguments);
        INFO(output);
        REQUIRE(status == 0);
        return std::pair{diamond::io::read_json(out / "report.json"),
                         diamond::io::read_text(out / "report.md", 1 << 20)};
    };
    const auto [report, text] = run("digits_learned_corrected",
                                    "--method corrected smc_early_stop --steps 4");
    REQUIRE(report.size() == 2);
    CHECK(report[0].at("correction_ess").is_null());
    const auto& row = report[1];
    INFO(row.dump());
    CHECK(row.at("method") == "corrected");
    CHECK(row.at("exact_for_sampler") == false);
    CHECK(row.at("exact_for_density") == true);
    CHECK(row.at("exact_for_model") == false);
    CHECK(row.at("exact_for") == "density");
    CHECK(std::isfinite(row.at("log_z").get<double>()));
    CHECK(row.at("correction_ess") >= 1.0);
    CHECK(row.at("correction_ess") < 64.0);
    // A draw costs a network evaluation and 64 Jacobian-vector products of two each, and its density four
    // evaluations of the joint map; values of two draws, three times; and a pilot.
    CHECK(row.at("evaluations") == 64 * (4 * (1 + 2 * 64 + 4) + 3 * 2 + 4));
    CHECK(text.find("**SMC, corrected**: the correction of the kernel hangs on few draws") !=
          std::string::npos);
    CHECK(text.find("that of the joint map by 4 evaluations") != std::string::npos);

    // whole draws: some of 64 fold
    const auto [folded, why] = run("digits_folded", "--method prior corrected --steps 1");
    REQUIRE(folded.size() == 2);
    CHECK(folded[0].at("failure").is_null());
    CHECK(folded[0].at("mean_reward").is_number());
    CHECK(folded[1].at("failure").get<std::string>().find("map folds it has none") != std::string::npos);
    for (const auto* key : {"mean_reward", "log_z", "ess", "energy_distance"})
        CHECK(folded[1].at(key).is_null());
    CHECK(folded[1].at("exact_for_density") == false);
    CHECK(why.find("| SMC, corrected | died |") != std::string::npos);
}

TEST_CASE("sample: the tables and pictures") {
    const auto out = empty_folder("digits_sample");
    const auto [status, output] = run_program(
        "digits", "sample --samples 512 --mean-images 16 --mean-draws 8 --most-solved 4 --threads 2 --out " +
                      quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    for (const auto* name : {"samples.png", "posterior.png", "conditional.png", "quality.md"})
        CHECK(std::filesystem::exists(out / name));
    const auto quality = diamond::io::read_json(out / "quality.json");
    CHECK(quality.at("classifier_accuracy") > 0.95);
    double learned = NAN, gaussian = NAN;
    for (const auto& law : quality.at("generation")) {
        if (law.at("law") == "learned, 4 evaluations") learned = law.at("features").at("value");
        if (law.at("law") == "Gaussian, full covariance") gaussian = law.at("features").at("value");
        if (std::string(law.at("law")).starts_with("learned")) CHECK(law.at("nearest_ratio") > 0.8);
    }
    CHECK(learned < gaussian / 3.0 + 0.05); // 0.05: the error of 360 held-out images
    for (const auto& row : quality.at("posterior")) {
        INFO(row.dump());
        if (row.at("draws") != "exact model, other draws") continue;
        for (const auto* kind : {"pooled", "joint"})
            CHECK(std::abs(row.at(kind).at("value").get<double>()) <=
                  4.0 * row.at(kind).at("standard_error").get<double>());
    }
}

TEST_CASE("sample over seeds: the means of theirs") {
    const auto out = empty_folder("digits_sample_seeds");
    const auto [status, output] = run_program("digits",
                                              "sample --samples 64 --mean-images 2 --mean-draws 2 "
                                              "--most-solved 1 --seed 3 --seeds 2 --threads 2 --out " +
                                                  quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto tables = diamond::io::read_json(out / "quality.json").at("tables");
    const auto one = diamond::io::read_json(out / "seed_3" / "quality.json"),
               other = diamond::io::read_json(out / "seed_4" / "quality.json");
    const auto& generation = one.at("generation");
    // from the first law: the held-out images have no distance to themselves
    for (std::size_t k = 1; k < generation.size(); ++k) {
        const auto& row = tables.at("generation").at(generation[k].at("law").get<std::string>());
        diamond_test::check_over_two_seeds(row.at("energy distance, features"),
                                           generation[k].at("features").at("value"),
                                           other.at("generation")[k].at("features").at("value"));
        diamond_test::check_over_two_seeds(row.at("nearest training image"), generation[k].at("nearest"),
                                           other.at("generation")[k].at("nearest"));
    }
    const auto& draws = one.at("posterior")[0];
    diamond_test::check_over_two_seeds(
        tables.at("posterior, t = 0").at(draws.at("draws").get<std::string>() + ", 1").at("pooled"),
        draws.at("pooled").at("value"), other.at("posterior")[0].at("pooled").at("value"));
    CHECK(run_program("digits", "sample --seeds 0").status != 0);
}

TEST_CASE("what align and sample refuse of learned models") {
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("digits", arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    const auto out = empty_folder("digits_no_weights");
    refused("--guidance-weight 2", "--guidance-weight requires --condition");
    refused("--condition 10", "--condition: Value 10 not in range 0 to 9");
    refused("--network teacher", "--network: teacher not in {diamond,");
    refused("align --weights " + quoted(out), "diamond.safetensors: no such file");
    refused("sample --weights " + quoted(out), "teacher.safetensors: no such file");
    refused("sample --nonsense", "not expected: --nonsense");
    // The exact model is the truth of networks with its own bandwidth, and of no others.
    for (const std::string command : {"align", "sample"}) {
        refused(command + " --bandwidth 0.3 --out " + quoted(out / "none"),
                "trained on images with noise of standard deviation 0.2, not 0.3: leave --bandwidth out, or "
                "train networks with it (digits train --bandwidth 0.3");
        CHECK(!std::filesystem::exists(out / "none")); // before any work
    }
    const auto without = [&](const std::string& name, const auto& spoil) {
        for (const std::string network : {"teacher", "diamond", "taught"}) {
            auto file = diamond::io::read_safetensors(
                std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path() / "weights" /
                (network + ".safetensors"));
            spoil(file.metadata);
            std::filesystem::create_directories(out / name);
            diamond::io::write_safetensors(out / name / (network + ".safetensors"), file);
        }
        return quoted(out / name);
    };
    // So is the joint map that corrects, of that bandwidth, the linear schedule, and unguided.
    const auto joint = [&](const std::string& name, const std::string& key, const std::string& value) {
        const auto shipped = std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path() / "weights";
        std::filesystem::create_directories(out / name);
        std::filesystem::copy_file(shipped / "diamond.safetensors", out / name / "diamond.safetensors",
                                   std::filesystem::copy_options::overwrite_existing);
        if (key.empty()) return quoted(out / name);
        auto file = diamond::io::read_safetensors(shipped / "joint.safetensors");
        file.metadata[key] = value;
        diamond::io::write_safetensors(out / name / "joint.safetensors", file);
        return quoted(out / name);
    };
    const std::string corrected = "align --method corrected --out " + quoted(out / "none") + " ";
    refused(corrected + "--weights " + joint("alone", "", ""),
            "alone/joint.safetensors: no such file, and densities are the joint flow map's: digits train "
            "--network joint");
    refused(corrected + "--weights " + joint("wider", "bandwidth", "0.3"),
            "trained on images with noise of standard deviation 0.3, not 0.2");
    refused(corrected + "--weights " + joint("cosine", "schedule", "cosine"),
            "the metadata say schedule 'cosine 0.008', and 'linear' is expected");
    refused(corrected + "--weights " + joint("unlabelled", "classes", "0"), "joint.safetensors");
    refused(corrected + "--weights " + joint("far", "base_deviation", "2"),
            "only 1 is the noise of a schedule");
    refused(corrected + "--condition 7 --guidance-weight 2",
            "it samples the law of the joint map, which is not guided; leave one of the two out");
    CHECK(!std::filesystem::exists(out / "none"));
    const auto silent = without("silent", [](auto& metadata) { metadata.erase("bandwidth"); });
    refused("align --weights " + silent,
            "do not say 'bandwidth', the noise on the images it was trained on: say it with --bandwidth");
    CHECK(
        run_program("digits",
                    "align --reward ink --method prior --no-sweep --particles 64 --bandwidth 0.2 --weights " +
                        silent + " --out " + quoted(out / "said"))
            .status == 0);
    refused("align --weights " + without("spoilt", [](auto& metadata) { metadata["bandwidth"] = "wide"; }),
            "the metadata say bandwidth 'wide', which is no number above 0");
}
