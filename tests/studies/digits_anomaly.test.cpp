// Anomaly by log p: the areas that it reports, what they are made of, and what it refuses.
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <diamond/io/json.hpp>
#include <diamond/io/safetensors.hpp>
#include <diamond/random/philox.hpp>

#include <digits/roc.hpp>
#include <support/program.hpp>

using diamond_test::empty_folder, diamond_test::quoted, diamond_test::run_program;

TEST_CASE("the area under an ROC curve counts pairs, ties half, and DeLong's error is the spread over "
          "repetitions") {
    const auto few = digits::roc_of({1, 2, 3}, {2, 2.5, 4}); // of nine pairs six are above and one is a tie
    CHECK(few.area == doctest::Approx((1.5 + 2 + 3) / 9.0));
    CHECK(std::abs(std::accumulate(few.influence.begin(), few.influence.end(), 0.0)) < 1e-12);
    const auto apart = digits::roc_of({1, 2, 3}, {4, 5, 6});
    CHECK(apart.area == 1.0);
    CHECK_FALSE(digits::standard_error(apart).has_value());
    CHECK_FALSE(digits::standard_error(few, &few).has_value()); // of no difference
    CHECK_THROWS_AS(digits::roc_of({1}, {2}), std::invalid_argument);
    CHECK_THROWS_AS(digits::roc_of({1, 2}, {2}), std::invalid_argument);

    // Pairs that share half of what they are, uniforms: changed = shared + own + 0.5.
    constexpr int runs = 400, n = 100;
    double mean = 0.0, squares = 0.0, claimed = 0.0;
    for (int k = 0; k < runs; ++k) {
        const auto stream = diamond::philox{7}.stream(diamond::purpose::user, k);
        std::vector<double> unchanged, changed;
        for (int j = 0; j < n; ++j) {
            unchanged.push_back(stream.uniform(j, 0) + stream.uniform(j, 1));
            changed.push_back(stream.uniform(j, 0) + stream.uniform(j, 2) + 0.5);
        }
        const auto curve = digits::roc_of(unchanged, changed);
        mean += curve.area / runs;
        squares += curve.area * curve.area / runs;
        claimed += diamond::square(digits::standard_error(curve).value()) / runs;
    }
    // The variance over 400 runs is known to sqrt(2/400) = 7 %: four of that, a false alarm of 6e-5, and
    // DeLong's bias of order 1/n within it.
    CHECK(claimed == doctest::Approx(squares - mean * mean).epsilon(0.29));
}

TEST_CASE("changed and foreign images are told from held-out digits, and labels from each other") {
    const auto out = empty_folder("digits_anomaly");
    const auto [status, output] = run_program("digits",
                                              "anomaly --images 90 --threads 2 --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    for (const char* name : {"anomaly.md", "anomaly.png"}) CHECK(std::filesystem::exists(out / name));
    const auto found = diamond::io::read_json(out / "anomaly.json");
    CHECK(found.at("images") == 90);
    CHECK(found.at("evaluations") == 4);
    REQUIRE(found.at("kinds").size() == 8);
    for (const auto& kind : found.at("kinds")) {
        INFO(kind.dump());
        REQUIRE(kind.at("areas").size() == 4);
        const auto& joint = kind.at("areas")[0];
        CHECK(joint.at("by") == "joint flow map");
        const std::string name = kind.at("kind");
        const double area = joint.at("area");
        // Measured over 360: above 0.92 but for the mean of two, at 0.7; standard errors over 90 are 0.02 and
        // 0.04.
        CHECK(area > (name == "mean of two" ? 0.5 : 0.8));
        CHECK(joint.at("standard_error").is_null() == (area == 1.0));
        CHECK(joint.at("joint_minus") == 0.0);
        if (name == "noise" || name == "pixels shuffled") CHECK(area > 0.999);
        for (const auto& by : kind.at("areas")) {
            if (name == "mean of two" && by.at("by") == "Gaussian")
                CHECK(by.at("area").get<double>() < 0.3); // it is nearer to the mean
            if (name == "mean of two" && by.at("by") == "exact model")
                CHECK(by.at("area").get<double>() > 0.8);
        }
    }
    CHECK(found.at("right_label") > 0.9);
    CHECK(found.at("wrong_label_area") > 0.99);
}

TEST_CASE("anomaly over seeds: the means of theirs") {
    const auto out = empty_folder("digits_anomaly_seeds");
    const auto [status, output] = run_program(
        "digits", "anomaly --images 20 --evaluations 1 --seed 3 --seeds 2 --threads 2 --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto tables = diamond::io::read_json(out / "anomaly.json").at("tables");
    const auto one = diamond::io::read_json(out / "seed_3" / "anomaly.json"),
               other = diamond::io::read_json(out / "seed_4" / "anomaly.json");
    for (std::size_t k = 0; k < one.at("kinds").size(); ++k)
        for (std::size_t i = 0; i < 4; ++i) {
            const auto &area = one.at("kinds")[k].at("areas")[i],
                       &of_other = other.at("kinds")[k].at("areas")[i];
            diamond_test::check_over_two_seeds(tables.at("areas")
                                                   .at(one.at("kinds")[k].at("kind").get<std::string>())
                                                   .at(area.at("by").get<std::string>()),
                                               area.at("area"), of_other.at("area"));
        }
    diamond_test::check_over_two_seeds(
        tables.at("labels").at("wrong labels against right ones, area").at("over all images"),
        one.at("wrong_label_area"), other.at("wrong_label_area"));
    CHECK(run_program("digits", "anomaly --seeds 0").status != 0);
}

TEST_CASE("the same seed gives the same areas on any number of threads, another seed other noise") {
    const auto run = [](const std::string& name, const std::string& arguments) {
        const auto out = empty_folder(name);
        REQUIRE(run_program("digits",
                            "anomaly --images 20 --evaluations 1 " + arguments + " --out " + quoted(out))
                    .status == 0);
        return diamond::io::read_json(out / "anomaly.json");
    };
    const auto one = run("digits_anomaly_one", "--seed 3 --threads 1");
    CHECK(one == run("digits_anomaly_two", "--seed 3 --threads 2"));
    CHECK(one != run("digits_anomaly_other", "--seed 4 --threads 1"));
}

TEST_CASE("what anomaly refuses, and how it says so") {
    const auto refused = [](const std::string& arguments, const std::string& reason) {
        const auto [status, output] = run_program("digits", "anomaly " + arguments);
        INFO(arguments, ": ", output);
        CHECK(status > 0);
        CHECK(output.find(reason) != std::string::npos);
    };
    const auto out = empty_folder("digits_anomaly_refused");
    refused("--images 1", "--images: Value 1 not in range 2 to");
    refused("--evaluations 0", "--evaluations: Value 0 not in range 1 to");
    refused("--seed -1", "--seed: '-1' is below zero");
    refused("--data " + quoted(out / "none"), "none/images.npy: no such file");
    refused("--weights " + quoted(out), "joint.safetensors: no such file, and densities are the joint flow "
                                        "map's: digits train --network joint");
    auto file = diamond::io::read_safetensors(std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path() /
                                              "weights" / "joint.safetensors");
    file.metadata["bandwidth"] = "wide";
    diamond::io::write_safetensors(out / "joint.safetensors", file);
    refused("--weights " + quoted(out), "the metadata say bandwidth 'wide', which is no number above 0");
    file.metadata["schedule"] = "cosine";
    diamond::io::write_safetensors(out / "joint.safetensors", file);
    refused("--weights " + quoted(out), "the metadata say schedule 'cosine 0.008'");
}
