// Paths around obstacles, small: the soft constraint's gradient by differences, problems whose feasible share
// is as asked, rows as the report promises, a training that goes on where it was broken off, and refusals.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <paths/scene.hpp>

#include <diamond/io/json.hpp>

#include <support/program.hpp>

using diamond::index_t, diamond::philox;

TEST_CASE("the prior has its roughness and its three ways, and goals leave the shares that were asked for") {
    const paths::context where{.threads = 2};
    const paths::prior law;
    constexpr index_t n = 20'000;
    const auto drawn = law.draw(where, philox{3}, n);
    double squares = 0.0, starts = 0.0, up = 0.0;
    for (index_t j = 0; j < n; ++j) {
        const float* path = drawn.data() + paths::dimension * j;
        squares += diamond::square(paths::roughness_of(path)) / n;
        starts += std::hypot(static_cast<double>(path[0]) + 31.0 / 33.0, static_cast<double>(path[1])) / n;
        up += (path[31] > 0.3f ? 1.0 : 0.0) / n;
    }
    // Second differences of e have the variance 6 s^2; those of the smooth parts are small beside it.
    CHECK(std::sqrt(squares) == doctest::Approx(std::sqrt(6.0) * paths::roughness).epsilon(0.03));
    CHECK(starts < 0.15);
    // 0.35 of the paths go above by 0.6 sin(pi 16/33), of deviation 0.35 and less, near the start.
    CHECK(up == doctest::Approx(0.37).epsilon(0.1));

    const auto problems = paths::problem_maker(where, philox{5}, 1 << 18)(1);
    REQUIRE(problems.size() == 2);
    CHECK(problems[0].name == "easy 1");
    CHECK(problems[1].name == "hard 1");
    double feasible = 0.0;
    for (index_t j = 0; j < n; ++j)
        feasible += paths::constraint{problems[0].of}(drawn.read().column(j)) == 0.0 ? 1.0 / n : 0.0;
    CHECK(feasible == doctest::Approx(0.57).epsilon(0.03));
    CHECK(problems[1].of.goal.radius > 0.0);
}

TEST_CASE("the soft constraint has the slope that its gradient says, and none where all is allowed") {
    const paths::context where;
    const paths::scene scene{
        .discs = {{.x = -0.3, .y = 0.1, .radius = 0.2}, {.x = 0.3, .y = -0.2, .radius = 0.25}},
        .goal = {.x = 1.0, .y = 0.5, .radius = 0.1}};
    const paths::soft_constraint soft{scene};
    const auto drawn = paths::prior().draw(where, philox{7}, 64);
    paths::batch slope(where, paths::dimension, 64);
    soft.gradient(drawn.read(), slope.mutable_view());
    int violated = 0;
    for (index_t j = 0; j < 64; ++j) {
        const double value = soft(drawn.read().column(j)),
                     hard = paths::constraint{scene}(drawn.read().column(j));
        CHECK(value <= 0.0);
        if (value == 0.0) CHECK(hard == 0.0);
        violated += value < 0.0;
        auto moved = diamond::from_host<float>(where, paths::dimension, 64, diamond::to_host(drawn));
        for (index_t i = 0; i < paths::dimension; ++i) {
            float& x = moved.data()[i + paths::dimension * j];
            const float at = x;
            constexpr float h = 1e-3f;
            x = at + h;
            const double above = soft(moved.read().column(j));
            x = at - h;
            const double below = soft(moved.read().column(j));
            x = at;
            const double difference = (above - below) / (2.0 * static_cast<double>(h));
            const double claimed = static_cast<double>(slope.data()[i + paths::dimension * j]);
            // Where the depth begins, the second derivative jumps by 1/s^2 = 400.
            CHECK(std::abs(difference - claimed) < 1e-2 * std::abs(claimed) + 0.5);
        }
    }
    CHECK(violated > 32);
}

TEST_CASE("rows, report and pictures; who is far says so, and soft constraints are near") {
    const auto out = diamond_test::empty_folder("paths");
    const std::string
        small = "--problems 1 --repeats 2 --steps 8 --particles 512 --truth 262144 --threads 2 --seed 2 "
                "--out ";
    const auto [status, output] = diamond_test::run_program("paths", small + diamond_test::quoted(out));
    INFO(output);
    REQUIRE(status == 0);
    for (const char* name : {"report.md", "paths_easy_1.png", "paths_hard_1.png"})
        CHECK(std::filesystem::exists(out / name));
    const auto rows = diamond::io::read_json(out / "report.json");
    REQUIRE(rows.is_array());
    CHECK(rows.size() == 2 * 2 * 7);
    double soft = 0.0;
    std::map<std::pair<std::string, std::string>, double> exact; // by problem and method
    for (const auto& row : rows) {
        const auto method = row["method"].get<std::string>();
        INFO(method);
        for (const char* name :
             {"particles", "steps", "floor", "log_z", "log_z_exact", "evaluations", "seconds"})
            CHECK(row[name].is_number());
        // Either a standard error, or warnings that say why there is none.
        CHECK(row["log_z_se"].is_null() != row["warnings"].empty());
        const double off = std::abs(row["log_z"].get<double>() - row["log_z_exact"].get<double>());
        if (!row["log_z_se"].is_null())
            CHECK(off < 4.0 * (row["log_z_se"].get<double>() + row["log_z_exact_se"].get<double>()));
        if (row["problem"] == "hard 1" && method == "SMC, soft constraint") soft = std::max(soft, off);
        // A pilot that finds fewer than ten paths has cost its whole share; a run whose particles all die has
        // paid for it as well, and the others get what it paid. What values would have cost has gone into
        // draws, within the last of them.
        if (row["problem"] == "hard 1" && method == "SMC, values of draws")
            CHECK(row["evaluations"] == 512 * (8 + 7 + 8));
        if (row["problem"] == "hard 1" && method == "SMC, default") {
            CHECK(row["evaluations"] <= 512 * (8 + 7 + 8));
            CHECK(row["evaluations"] > 512 * (8 + 7 + 8) - 8);
        }
        if (row["problem"] == "hard 1")
            CHECK(row["evaluations"].get<double>() == doctest::Approx(512 * 23).epsilon(0.01));
        exact[{row["problem"], method}] = row["log_z_exact"];
    }
    CHECK(soft < 1.5); // of 9 nats
    // Each method is held against the chain that it runs: of one step, of equal steps, by noise ratios.
    for (const char* problem : {"easy 1", "hard 1"}) {
        const auto of = [&](const char* method) { return exact.at({problem, method}); };
        CHECK(of("SMC, default") == of("importance sampling"));
        CHECK(of("SMC, soft constraint") == of("SMC, soft goal, guided"));
        CHECK(of("importance sampling") != of("importance sampling, one step"));
        CHECK(of("SMC, soft constraint") != of("importance sampling"));
        CHECK(of("SMC, soft constraint") != of("importance sampling, one step"));
    }
}

TEST_CASE("a training that was broken off goes on to the same weights; bad numbers are refused") {
    const auto out = diamond_test::empty_folder("paths_training");
    const auto arguments = [&](const char* folder) {
        return "--threads 1 train --steps 2000 --batch 32 --width 16 --blocks 1 --points 500 --checkpoint 10 "
               "--out " +
               diamond_test::quoted(out / folder);
    };
    REQUIRE(diamond_test::run_program("paths", arguments("whole")).status == 0);
    CHECK(diamond_test::run_program("paths", arguments("whole")).output.find("already trained") !=
          std::string::npos);
    // Killed in the midst of it, after the first checkpoint and before the end, and run again.
    const auto program = diamond_test::quoted(std::filesystem::path(DIAMOND_PROGRAMS) / "paths");
    const auto has = [&](const char* file) { return std::filesystem::exists(out / "killed" / file); };
    for (const char* seconds : {"0.1", "0.2", "0.4", "0.8", "1.6", "3.2"}) {
        if (has("paths.training")) break;
        const std::string command = std::string("timeout -s KILL ") + seconds + " " + program + " " +
                                    arguments("killed") + " 2>/dev/null; true";
        CHECK(std::system(command.c_str()) == 0);
    }
    REQUIRE(has("paths.training"));
    REQUIRE(!has("paths.safetensors"));
    REQUIRE(diamond_test::run_program("paths", arguments("killed")).status == 0);
    const auto bytes = [&](const char* folder) {
        std::ifstream file(out / folder / "paths.safetensors", std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    CHECK(bytes("whole").size() > 1000);
    CHECK(bytes("whole") == bytes("killed"));
    for (const char* bad : {"--problems 0", "--steps 2", "--particles 1", "--truth 1", "--seed -1",
                            "--steps nan", "--threads -1", "--weights /nowhere"})
        CHECK(diamond_test::run_program("paths", bad).status != 0);
    const auto few = diamond_test::run_program(
        "paths", "--problems 1 --repeats 1 --steps 3 --truth 65536 --seed 1 --out " +
                     diamond_test::quoted(out / "few"));
    CHECK(few.status == 1);
    CHECK(few.output.find("take more --truth") != std::string::npos);
}
