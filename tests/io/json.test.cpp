#include <diamond/io/json.hpp>

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::overwrite;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

TEST_CASE("JSON makes the round trip, NaN and infinities as null") {
    const scratch folder;
    io::write_json(folder / "a.json", {{"method", "SMC"}, {"log_z", -3.5}, {"ess", std::numeric_limits<double>::quiet_NaN()}});
    const auto value = io::read_json(folder / "a.json");
    CHECK(value.at("method") == "SMC");
    CHECK(value.at("log_z") == -3.5);
    CHECK(value.at("ess").is_null());
    CHECK(contents(folder / "a.json").back() == '\n');

    io::write_json(folder / "b.json", nlohmann::json{-std::numeric_limits<double>::infinity()});
    CHECK(io::read_json(folder / "b.json")[0].is_null());
}

TEST_CASE("ordered JSON keeps its order") {
    const scratch folder;
    nlohmann::ordered_json row;
    row["reward"] = "seven";
    row["method"] = "SMC";
    io::write_json(folder / "a.json", row);
    const auto text = contents(folder / "a.json");
    CHECK(text.find("reward") < text.find("method"));
}

TEST_CASE("bad JSON is refused with the reason") {
    const scratch folder;
    const auto why = [&](std::string_view text, const io::json_options& options = {}) {
        overwrite(folder / "a.json", text);
        return reason([&] { io::read_json(folder / "a.json", options); });
    };
    CHECK(why("{\"a\": 1}") == "nothing thrown");
    CHECK(why("") == Contains("no valid JSON"));
    CHECK(why("{\"a\": 1,}") == Contains("line 1, column 9"));
    CHECK(why("{\"a\": NaN}") == Contains("no valid JSON"));
    CHECK(why("{\"a\": 1} 2") == Contains("no valid JSON"));
    CHECK(why("[1e999]") == Contains("number overflow parsing '1e999'"));
    CHECK(why("\"\xff\"") == Contains("no valid JSON"));
    CHECK(why("[1, 2, 3]", {.max_bytes = 8}) == Contains("too large: 9 bytes, at most 8"));
    CHECK(why(std::string(100'000, '[')) == Contains("nested deeper than 256"));
    CHECK(why(std::string(4, '[') + std::string(4, ']'), {.max_depth = 4}) == "nothing thrown");
    CHECK(why(std::string(5, '[') + std::string(5, ']'), {.max_depth = 4}) == Contains("nested deeper than 4"));
    CHECK(reason([&] { io::read_json(folder / "none.json"); }) == "no such file");
}

TEST_CASE("a string that is not UTF-8 is not written") {
    const scratch folder;
    CHECK_THROWS_AS(io::write_json(folder / "a.json", nlohmann::json{"\xff"}), std::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(folder / "a.json"));
}
