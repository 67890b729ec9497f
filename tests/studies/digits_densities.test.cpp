// The shipped joint map: its densities beside the many-step teacher's, and self-guidance.
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

using diamond_test::empty_folder, diamond_test::quoted, diamond_test::run_program;

TEST_CASE(
    "bits per dimension by few evaluations are near the many-step teacher's, and Hutchinson's are not") {
    // 24 images; over 90 the few-step mean was measured to be off by less than 0.04 bits, with a correlation
    // above 0.96
    const auto out = empty_folder("digits_likelihood");
    const auto [status, output] = run_program(
        "digits", "likelihood --images 24 --tolerance 1e-2 --threads 2 --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto rows = diamond::io::read_json(out / "likelihood.json");
    REQUIRE(rows.size() == 11);
    for (std::size_t k = 0; k < 4; ++k) {
        INFO(rows[k].dump());
        CHECK(std::abs(rows[k].at("difference").get<double>()) < 0.1);
        CHECK(rows[k].at("correlation").get<double>() > 0.9);
        CHECK(std::isfinite(rows[k].at("round_trip").get<double>()));
        CHECK(rows[k].at("evaluations").get<int>() == 1 << k);
    }
    CHECK(rows[4].at("difference").get<double>() > 1.0); // one Euler step with one probe
    for (const char* name : {"likelihood.md", "scatter.png"}) CHECK(std::filesystem::exists(out / name));
}

TEST_CASE("likelihood over seeds: the means of theirs") {
    const auto out = empty_folder("digits_likelihood_seeds");
    const auto [status, output] = run_program(
        "digits",
        "likelihood --images 4 --tolerance 1e-1 --seed 3 --seeds 2 --threads 2 --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto tables = diamond::io::read_json(out / "likelihood.json").at("tables");
    const auto one = diamond::io::read_json(out / "seed_3" / "likelihood.json"),
               other = diamond::io::read_json(out / "seed_4" / "likelihood.json");
    for (std::size_t k = 0; k < one.size(); ++k) {
        const auto& row = tables.at("likelihood").at(one[k].at("by").get<std::string>());
        for (const auto& [column, key] :
             {std::pair{"bits per dimension", "bits_per_dimension"},
              std::pair{"minus the teacher's", "difference"}, std::pair{"evaluations", "evaluations"}})
            diamond_test::check_over_two_seeds(row.at(column), one[k].at(key), other[k].at(key));
    }
    CHECK(tables.at("seconds").at("the whole run").at("seconds").at("mean") > 0.0);
    CHECK(run_program("digits", "likelihood --seeds 0").status != 0);
}

TEST_CASE("self-guidance raises the claimed density more than the control that only shrinks the noise") {
    const auto out = empty_folder("digits_self_guidance");
    const auto [status, output] = run_program("digits",
                                              "self-guidance --samples 128 --threads 2 --out " + quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    const auto rows = diamond::io::read_json(out / "self_guidance.json");
    REQUIRE(rows.size() == 12);
    for (std::size_t k = 0; k < 12; k += 3) {
        CHECK(rows[k + 1].at("mean_log_p").get<double>() > rows[k + 2].at("mean_log_p").get<double>());
        CHECK(rows[k + 2].at("mean_log_p").get<double>() > rows[k].at("mean_log_p").get<double>());
        CHECK(rows[k + 1].at("evaluations").get<int>() == rows[k].at("evaluations").get<int>() + 3);
    }
    CHECK(run_program("digits", "self-guidance --step-size 0").status != 0);
}
