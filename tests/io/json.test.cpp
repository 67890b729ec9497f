#include <chrono>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include <diamond/io/json.hpp>

#include "scratch.hpp"

namespace io_json_test {

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::message;
using diamond_test::overwrite;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

TEST_CASE("JSON makes the round trip, NaN and infinities as null") {
    const scratch folder;
    io::write_json(folder / "a.json",
                   {{"method", "SMC"}, {"log_z", -3.5}, {"ess", std::numeric_limits<double>::quiet_NaN()}});
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
    CHECK(why("") == "not valid JSON but an empty file");
    CHECK(why("{\"a\": 1,}") == Contains("line 1, column 9"));
    CHECK(why("{\"a\": NaN}") == Contains("no valid JSON"));
    CHECK(why("{\"a\": 1} 2") == Contains("no valid JSON"));
    CHECK(why("[1e999]") == Contains("number overflow parsing '1e999'"));
    CHECK(why("\"\xff\"") == Contains("no valid JSON"));
    CHECK(why(std::string_view("{\"a\": 1}\0, {\"b\": 2}", 18)) == Contains("a zero byte behind 8 others"));
    CHECK(why(std::string_view("{\"a\": 1}\n\0", 10)) == Contains("a zero byte behind 9 others"));
    CHECK(why("{\"a\": \"\\u0000\"}") == "nothing thrown");
    CHECK(why("[1, 2, 3]", {.max_bytes = 8}) == Contains("too large: 9 bytes, at most 8"));
    CHECK(why(std::string(100'000, '[')) == Contains("nested deeper than 256"));
    CHECK(why(std::string(4, '[') + std::string(4, ']'), {.max_depth = 4}) == "nothing thrown");
    CHECK(why(std::string(5, '[') + std::string(5, ']'), {.max_depth = 4}) ==
          Contains("nested deeper than 4"));
    CHECK(reason([&] { io::read_json(folder / "none.json"); }) == "no such file");
}

TEST_CASE("a string that is not UTF-8 is not written") {
    const scratch folder;
    CHECK_THROWS_AS(io::write_json(folder / "a.json", nlohmann::json{"\xff"}), std::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(folder / "a.json"));
}

TEST_CASE("reading takes a time proportional to the size, of objects too") {
    const scratch folder;
    // a parser that looks through the siblings at the end of each object takes 13 s
    constexpr int count = 160'000;
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += (i > 0 ? ",{\"a\":" : "{\"a\":") + std::to_string(i) + "}";
    overwrite(folder / "a.json", text + "]");
    const auto before = std::chrono::steady_clock::now();
    const auto value = io::read_json(folder / "a.json");
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{5});
    CHECK(value.size() == count);
    CHECK(value.back().at("a") == count - 1);
}

TEST_CASE("what is read is what nlohmann::json reads") {
    const scratch folder;
    for (const auto* text : {"null", "true", "-7", "18446744073709551615", "1.5e-300", "\"\\u00e9\"", "[]",
                             "{}", "[[],[{}],{\"a\":[1,{\"b\":null}]}]",
                             " {\"a\" : {\"b\" : [1, 2, {\"c\": \"d\"}]}, \"e\": false}\n"}) {
        overwrite(folder / "a.json", text);
        CHECK(io::read_json(folder / "a.json") == nlohmann::json::parse(text));
    }
}

TEST_CASE("an entry that stands twice, and what is no text, are named") {
    const scratch folder;
    const auto why = [&](std::string_view text) {
        overwrite(folder / "a.json", text);
        return reason([&] { io::read_json(folder / "a.json"); });
    };
    CHECK(why(R"({"a": {"b": 1, "b": 1}})") == "no valid JSON: entry 'b' stands twice in one object");
    CHECK(why(R"([{"a": 1}, {"a": 1}])") == "nothing thrown");
    CHECK(why("\x93NUMPY\x01") == "not valid JSON but a numpy array (npy)");
    CHECK(why("<!DOCTYPE html>") == Contains("not valid JSON but a web page"));
    CHECK(why("a text") == Contains("no valid JSON: ")); // the place says more
}

TEST_CASE("what write_json writes, read_json reads: the limits are the same") {
    const scratch folder;
    const auto nested = [](int levels) {
        nlohmann::json value;
        for (int i = 0; i < levels; ++i) value = nlohmann::json::array({std::move(value)});
        return value;
    };
    io::write_json(folder / "a.json", nested(256));
    CHECK(io::read_json(folder / "a.json") == nested(256));
    CHECK(message<std::invalid_argument>([&] { io::write_json(folder / "b.json", nested(257)); }) ==
          "write_json: nested deeper than 256 levels");
    CHECK(message<std::invalid_argument>([&] { io::write_json(folder / "b.json", nested(100'000)); }) ==
          Contains("nested deeper"));                                             // no recursion
    io::write_json(folder / "a.json", nlohmann::json("12345"), {.max_bytes = 8}); // two quotes, a line's end
    CHECK(io::read_json(folder / "a.json", {.max_bytes = 8}) == "12345");
    CHECK(message<std::invalid_argument>([&] {
              io::write_json(folder / "b.json", nlohmann::json("123456"), {.max_bytes = 8});
          }) == "write_json: 9 bytes, at most 8 are written and read");
    CHECK_FALSE(std::filesystem::exists(folder / "b.json"));
}

} // namespace io_json_test
