#include <diamond/io/safetensors.hpp>

#include "safetensors_bytes.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::data;
using diamond_test::entry;
using diamond_test::file_of;
using diamond_test::message;
using diamond_test::parsed;
using diamond_test::scratch;
using doctest::Contains;

namespace {

io::tensor_file example() {
    const std::vector<double> reals{0.0,   -0.0, 1e-310, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(),
                                    1. / 3};
    return {.metadata = {{"note", "\"quoted\"\n漢字"}, {"", ""}},
            .tensors  = {{"f64", io::make_tensor({3, 1, 2}, reals)},
                         {"f32", io::make_tensor({2}, std::vector<float>{1.5f, -2.5f})},
                         {"i32", io::make_tensor({1}, std::vector<std::int32_t>{-7})},
                         {"i64", io::make_tensor({}, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()})},
                         {"u64", io::make_tensor({1, 1}, std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()})},
                         {"u8", io::make_tensor({3}, std::vector<std::uint8_t>{0, 128, 255})},
                         {"größe\n", io::make_tensor({0, 4}, std::vector<float>{})}}};
}

} // namespace

TEST_CASE("a round trip keeps every bit, and the same tensors give the same bytes") {
    const scratch folder;
    const auto file = example();
    io::write_safetensors(folder / "a.safetensors", file);
    const auto again = io::read_safetensors(folder / "a.safetensors");
    CHECK(again.metadata == file.metadata);
    CHECK(again.tensors == file.tensors); // bytes, so NaN and -0, too
    CHECK(again.path == folder / "a.safetensors");
    io::write_safetensors(folder / "b.safetensors", again);
    CHECK(contents(folder / "a.safetensors") == contents(folder / "b.safetensors"));

    io::write_safetensors(folder / "none.safetensors", {});
    CHECK(contents(folder / "none.safetensors") == file_of("{}      "));
    CHECK(io::read_safetensors(folder / "none.safetensors").tensors.empty());
}

TEST_CASE("a file is written as the format says, to the byte") {
    const scratch folder;
    io::write_safetensors(folder / "a.safetensors", {.metadata = {{"z", "1"}, {"k", "v"}},
                                                     .tensors  = {{"b", io::make_tensor({2}, std::vector<std::uint8_t>{7, 9})},
                                                                  {"a", io::make_tensor({1, 1}, std::vector<float>{1})}}});
    const std::string header =
        R"({"__metadata__":{"k":"v","z":"1"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";
    const std::string padding((8 - header.size() % 8) % 8, ' ');
    CHECK(contents(folder / "a.safetensors") == file_of(header + padding, std::string{"\0\0\x80\x3f\x07\x09", 6}));
}

TEST_CASE("a file from Python's standard library is read") {
    const auto file = io::read_safetensors(data("three.safetensors"));
    CHECK(file.metadata == std::map<std::string, std::string>{{"schedule", "linear"}, {"note", "a \"quoted\"\nline, 漢字"}});
    REQUIRE(file.tensors.size() == 3);
    const auto weight = file.require("layers.0.weight", io::dtype::f32, {2, 3}).values<float>();
    CHECK(std::vector<float>{weight.begin(), weight.end()} == std::vector<float>{0, 0.5f, -1, 1.5f, 2, 1e-40f});
    CHECK(file.require("größe", io::dtype::i64, {}).values<std::int64_t>()[0] == std::numeric_limits<std::int64_t>::min());
    CHECK(file.require("empty", io::dtype::f64, {0, 4}).values<double>().empty());
}

TEST_CASE("tensors may stand in any order, the header before its padding in any spelling") {
    const auto file = parsed(file_of(" {}").replace(8, 3, "{} ")); // padding only
    CHECK(file.tensors.empty());
    const auto two = parsed(file_of("{ \"a\":" + entry("U8", "[1]", "[1, 2]") + ",\n\"b\":" + entry("U8", "[ ]", "[0,1]") + "}", "xy"));
    CHECK(two.tensors.at("a").values<std::uint8_t>()[0] == 'y');
    CHECK(two.tensors.at("b").values<std::uint8_t>()[0] == 'x');
    CHECK(parsed(file_of(R"({"__metadata__":{}})")).metadata.empty());
}

TEST_CASE("a tensor that is required is there, or what is there is said") {
    const auto file =
        parsed(file_of("{\"a\":" + entry("F32", "[1,2]", "[0,8]") + ",\"b\":" + entry("U8", "[0]", "[8,8]") + "}", "12345678"));
    const auto why = [&](const std::string& name, io::dtype type, const std::vector<diamond::index_t>& shape) {
        return message<io::file_error>([&] { file.require(name, type, shape); });
    };
    CHECK(&file.require("a", io::dtype::f32, {1, 2}) == &file.tensors.at("a"));
    CHECK(why("c", io::dtype::f32, {}) == "a.safetensors: no tensor 'c' among 'a', 'b'");
    CHECK(why("a", io::dtype::f64, {1, 2}) == "a.safetensors: tensor 'a': F32 of shape (1, 2) found, F64 of shape (1, 2) expected");
    CHECK(why("a", io::dtype::f32, {2}) == "a.safetensors: tensor 'a': F32 of shape (1, 2) found, F32 of shape (2,) expected");
    CHECK(message<std::invalid_argument>([&] { file.tensors.at("a").values<double>(); }) == "tensor: F32 found, F64 expected");

    io::tensor_file many;
    CHECK(message<io::file_error>([&] { many.require("a", io::dtype::f32, {}); }) == "tensors in memory: no tensor 'a' among none");
    for (int i = 100; i < 140; ++i) many.tensors[std::to_string(i)] = {};
    CHECK(message<io::file_error>([&] { many.require("a", io::dtype::f32, {}); }) == Contains("'131' and 8 more"));
}

TEST_CASE("what could not be read again is not written") {
    const scratch folder;
    const auto why = [&](const io::tensor_file& file) {
        return message<std::invalid_argument>([&] { io::write_safetensors(folder / "a.safetensors", file); });
    };
    const io::tensor one{io::dtype::u8, {1}, {std::byte{1}}};
    CHECK(why({.tensors = {{"__metadata__", one}}}) == "write_safetensors: tensor '__metadata__': the name is the format's own");
    CHECK(why({.tensors = {{"a", {io::dtype::f32, {1}, {}}}}}) == "write_safetensors: tensor 'a': 0 bytes for shape (1,) of F32");
    CHECK(why({.tensors = {{"a", {io::dtype::f32, {-1}, {}}}}}) == Contains("0 bytes for shape (-1,)"));
    CHECK(why({.tensors = {{"a", {io::dtype::u8, std::vector<diamond::index_t>(65, 1), {std::byte{1}}}}}}) ==
          Contains("65 axes, at most 64 are written"));
    CHECK(why({.tensors = {{"\xff", one}}}) == Contains("invalid UTF-8 byte"));
    CHECK(why({.metadata = {{"k", "\xff"}}}) == Contains("invalid UTF-8 byte"));
    CHECK(why({.metadata = {{"k", std::string(io::max_safetensors_header, 'x')}}}) == Contains("a header of 100000032 bytes"));
    CHECK_FALSE(std::filesystem::exists(folder / "a.safetensors"));
    CHECK(message<std::invalid_argument>([] {
              io::make_tensor({2, 2}, std::vector<float>(3));
          }) == "make_tensor: 3 elements for shape (2, 2)");
    CHECK_THROWS_AS(io::make_tensor({-1, -3}, std::vector<float>(3)), std::invalid_argument);
}
