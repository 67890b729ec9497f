#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/safetensors.hpp>

#include "data.hpp"
#include "safetensors_bytes.hpp"

namespace io_safetensors_test {

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
    const std::vector<double> reals{0.0,
                                    -0.0,
                                    1e-310,
                                    std::numeric_limits<double>::infinity(),
                                    std::numeric_limits<double>::quiet_NaN(),
                                    1. / 3};
    return {
        .metadata = {{"note", "\"quoted\"\n漢字"}, {"", ""}},
        .tensors = {
            {"f64", io::make_tensor({3, 1, 2}, reals)},
            {"f32", io::make_tensor({2}, std::vector<float>{1.5f, -2.5f})},
            {"i32", io::make_tensor({1}, std::vector<std::int32_t>{-7})},
            {"i64", io::make_tensor({}, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()})},
            {"u64",
             io::make_tensor({1, 1}, std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()})},
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
    io::write_safetensors(folder / "a.safetensors",
                          {.metadata = {{"z", "1"}, {"k", "v"}},
                           .tensors = {{"b", io::make_tensor({2}, std::vector<std::uint8_t>{7, 9})},
                                       {"a", io::make_tensor({1, 1}, std::vector<float>{1})}}});
    const std::string header =
        R"({"__metadata__":{"k":"v","z":"1"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";
    const std::string padding((8 - header.size() % 8) % 8, ' ');
    CHECK(contents(folder / "a.safetensors") ==
          file_of(header + padding, std::string{"\0\0\x80\x3f\x07\x09", 6}));
}

TEST_CASE("a file from Python's standard library is read") {
    const auto file = io::read_safetensors(data("three.safetensors"));
    CHECK(file.metadata ==
          std::map<std::string, std::string>{{"schedule", "linear"}, {"note", "a \"quoted\"\nline, 漢字"}});
    REQUIRE(file.tensors.size() == 3);
    const auto weight = file.require("layers.0.weight", io::dtype::f32, {2, 3}).values<float>();
    CHECK(std::vector<float>{weight.begin(), weight.end()} ==
          std::vector<float>{0, 0.5f, -1, 1.5f, 2, 1e-40f});
    CHECK(file.require("größe", io::dtype::i64, {}).values<std::int64_t>()[0] ==
          std::numeric_limits<std::int64_t>::min());
    CHECK(file.require("empty", io::dtype::f64, {0, 4}).values<double>().empty());
}

TEST_CASE("tensors may stand in any order, the header before its padding in any spelling") {
    const auto file = parsed(file_of(" {}").replace(8, 3, "{} ")); // padding only
    CHECK(file.tensors.empty());
    CHECK(parsed(file_of(" \t\r\n{}\n")).tensors.empty());
    const auto two = parsed(file_of(
        "{ \"a\":" + entry("U8", "[1]", "[1, 2]") + ",\n\"b\":" + entry("U8", "[ ]", "[0,1]") + "}", "xy"));
    CHECK(two.tensors.at("a").values<std::uint8_t>()[0] == 'y');
    CHECK(two.tensors.at("b").values<std::uint8_t>()[0] == 'x');
    CHECK(parsed(file_of(R"({"__metadata__":{}})")).metadata.empty());
    CHECK(parsed(file_of(R"({"__metadata__":null})")).metadata.empty());
}

TEST_CASE("a tensor that is required is there, or what is there is said") {
    const auto file = parsed(
        file_of("{\"a\":" + entry("F32", "[1,2]", "[0,8]") + ",\"b\":" + entry("U8", "[0]", "[8,8]") + "}",
                "12345678"));
    const auto why = [&](const std::string& name, io::dtype type,
                         const std::vector<diamond::index_t>& shape) {
        return message<io::file_error>([&] { file.require(name, type, shape); });
    };
    CHECK(&file.require("a", io::dtype::f32, {1, 2}) == &file.tensors.at("a"));
    CHECK(why("c", io::dtype::f32, {}) == "a.safetensors: no tensor 'c' among 'a', 'b'");
    CHECK(why("a", io::dtype::f64, {1, 2}) ==
          "a.safetensors: tensor 'a': F32 of shape (1, 2) found, F64 of shape (1, 2) expected");
    CHECK(why("a", io::dtype::f32, {2}) ==
          "a.safetensors: tensor 'a': F32 of shape (1, 2) found, F32 of shape (2,) expected");
    CHECK(message<std::invalid_argument>([&] { file.tensors.at("a").values<double>(); }) ==
          "tensor: F32 found, F64 expected");

    io::tensor_file many;
    CHECK(message<io::file_error>([&] { many.require("a", io::dtype::f32, {}); }) ==
          "tensors in memory: no tensor 'a' among none");
    for (int i = 100; i < 140; ++i) many.tensors[std::to_string(i)] = {};
    CHECK(message<io::file_error>([&] { many.require("a", io::dtype::f32, {}); }) ==
          Contains("'131' and 8 more"));
}

TEST_CASE("what could not be read again is not written") {
    const scratch folder;
    const auto why = [&](const io::tensor_file& file) {
        return message<std::invalid_argument>([&] { io::write_safetensors(folder / "a.safetensors", file); });
    };
    const io::tensor one{io::dtype::u8, {1}, {std::byte{1}}};
    CHECK(why({.tensors = {{"__metadata__", one}}}) ==
          "write_safetensors: tensor '__metadata__': the name is the format's own");
    CHECK(why({.tensors = {{"a", {io::dtype::f32, {1}, {}}}}}) ==
          "write_safetensors: tensor 'a': 0 bytes for shape (1,) of F32");
    CHECK(why({.tensors = {{"a", {io::dtype::f32, {-1}, {}}}}}) == Contains("0 bytes for shape (-1,)"));
    CHECK(why({.tensors = {{"a", {io::dtype::u8, std::vector<diamond::index_t>(65, 1), {std::byte{1}}}}}}) ==
          Contains("65 axes, at most 64 are written"));
    CHECK(why({.tensors = {{"\xff", one}}}) == Contains("invalid UTF-8 byte"));
    CHECK(why({.metadata = {{"k", "\xff"}}}) == Contains("invalid UTF-8 byte"));
    CHECK(why({.metadata = {{"k", std::string(io::max_safetensors_header, 'x')}}}) ==
          Contains("a header of 100000032 bytes"));
    CHECK_FALSE(std::filesystem::exists(folder / "a.safetensors"));
    CHECK(message<std::invalid_argument>([] {
              io::make_tensor({2, 2}, std::vector<float>(3));
          }) == "make_tensor: 3 elements for shape (2, 2)");
    CHECK_THROWS_AS(io::make_tensor({-1, -3}, std::vector<float>(3)), std::invalid_argument);
}

TEST_CASE("further entries of a tensor mean nothing, whatever they hold") {
    for (const auto* more :
         {R"("strides":[1])", R"("x":null)", R"("x":true)", R"("x":-1)", R"("x":1.5)", R"("x":"dtype")",
          R"("x":{})", R"("x":[[],{"dtype":[0,{"shape":"y"}]},2])", R"("x":1,"x":2)"}) {
        CAPTURE(more);
        for (const auto& header :
             {R"({"a":{"dtype":"U8",)" + std::string{more} + R"(,"shape":[2],"data_offsets":[0,2]}})",
              R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],)" + std::string{more} + R"(}})"}) {
            const auto file = parsed(file_of(header, "xy"));
            CHECK(file.tensors.size() == 1);
            CHECK(file.values<std::uint8_t>("a")[1] == 'y');
        }
    }
}

TEST_CASE("a tensor of a type that nobody asks for does not refuse the file; asked for, it is named") {
    const scratch folder;
    // the type's name, and a number of elements that fills whole bytes
    for (const auto& [type, elements, bytes] : {std::tuple{"BOOL", "1", 1},
                                                {"I8", "1", 1},
                                                {"I16", "1", 2},
                                                {"U16", "1", 2},
                                                {"U32", "1", 4},
                                                {"C64", "1", 8},
                                                {"F4", "2", 1},
                                                {"F6_E2M3", "4", 3},
                                                {"F6_E3M2", "4", 3},
                                                {"F8_E4M3", "1", 1},
                                                {"F8_E5M2", "1", 1},
                                                {"F8_E8M0", "1", 1},
                                                {"F8_E4M3FNUZ", "1", 1},
                                                {"F8_E5M2FNUZ", "1", 1}}) {
        CAPTURE(type);
        const auto file = parsed(file_of(
            "{\"w\":" + entry("F32", "[1]", "[0,4]") + ",\"mask\":" +
                entry(type, "[" + std::string{elements} + "]", "[4," + std::to_string(4 + bytes) + "]") + "}",
            std::string{"\0\0\x80\x3f", 4} + std::string(static_cast<std::size_t>(bytes), '\1')));
        CHECK(file.values<float>("w")[0] == 1);
        CHECK(message<io::file_error>([&] { static_cast<void>(file.values<float>("mask")); }) ==
              ("a.safetensors: tensor 'mask': " + std::string{type} + " found, F32 expected").c_str());
        CHECK(message<io::file_error>([&] { file.require("mask", io::dtype::f32, {1}); }) ==
              Contains((std::string{type} + " of shape").c_str()));
        io::write_safetensors(folder / "a.safetensors", file); // its bytes are kept
        CHECK(io::read_safetensors(folder / "a.safetensors").tensors == file.tensors);
    }
    const auto none = parsed(file_of("{}"));
    CHECK(message<io::file_error>([&] { static_cast<void>(none.values<float>("w")); }) ==
          "a.safetensors: no tensor 'w' among none");
}

TEST_CASE("halves are read as floats") {
    const auto file = parsed(
        file_of("{\"h\":" + entry("F16", "[2]", "[0,4]") + ",\"b\":" + entry("BF16", "[2]", "[4,8]") + "}",
                std::string{"\x00\x3c\x00\xc0\x80\x3f\x00\xc0", 8}));
    for (const auto* name : {"h", "b"}) {
        CHECK(file.values<float>(name)[0] == 1);
        CHECK(file.values<float>(name)[1] == -2);
        CHECK(file.tensors.at(name).type == io::dtype::f32);
    }
}

TEST_CASE("a reader knows the header, and reads what it is asked for") {
    io::safetensors_reader reader{data("three.safetensors")};
    CHECK(reader.header().metadata.at("schedule") == "linear");
    CHECK(reader.header().tensors.at("layers.0.weight").shape == std::vector<diamond::index_t>{2, 3});
    const auto whole = io::read_safetensors(data("three.safetensors"));
    for (const auto* name : {"empty", "layers.0.weight", "größe", "layers.0.weight"})
        CHECK(reader.read(name) == whole.tensors.at(name)); // in any order
    CHECK(message<io::file_error>([&] { static_cast<void>(reader.read("bias")); }) ==
          Contains("no tensor 'bias' among 'empty', "));
}

TEST_CASE("a sparse file of a terabyte is refused by its header, and nothing is allocated") {
    const scratch folder;
    const auto path = folder / "a.safetensors";
    const std::string extent = "1000000000000";
    const auto header = file_of("{\"a\":" + entry("U8", "[" + extent + "]", "[0," + extent + "]") + "}");
    diamond_test::overwrite(path, header);
    std::error_code unsupported;
    std::filesystem::resize_file(path, header.size() + 1'000'000'000'000, unsupported);
    if (unsupported) return; // a file system without sparse files
    CHECK(diamond_test::reason([&] { io::read_safetensors(path); }) ==
          "oversized: its tensors take 1000000000000 bytes, at most 4294967296 are read");
    CHECK(io::safetensors_reader{path}.header().tensors.size() == 1); // the header alone is at hand
}

TEST_CASE("what is written is read: the limit on data is the same") {
    const scratch folder;
    const io::tensor_file file{.tensors = {{"a", io::make_tensor({4}, std::vector<float>(4))},
                                           {"b", io::make_tensor({1}, std::vector<std::uint8_t>(1))}}};
    io::write_safetensors(folder / "a.safetensors", file, {.max_bytes = 17});
    CHECK(io::read_safetensors(folder / "a.safetensors", {.max_bytes = 17}).tensors == file.tensors);
    CHECK(message<io::file_error>([&] {
              io::read_safetensors(folder / "a.safetensors", {.max_bytes = 16});
          }) == Contains("oversized: its tensors take 17 bytes, at most 16 are read"));
    CHECK(message<std::invalid_argument>([&] {
              io::write_safetensors(folder / "b.safetensors", file, {.max_bytes = 16});
          }) == "write_safetensors: 17 bytes of tensors, at most 16 are written and read");
    // halves count as what they are in memory
    const io::tensor_file half{.tensors = {{"a", {io::dtype::f16, {4}, std::vector<std::byte>(8)}}}};
    CHECK(message<std::invalid_argument>([&] {
              io::write_safetensors(folder / "b.safetensors", half, {.max_bytes = 15});
          }) == Contains("16 bytes of tensors"));
    io::write_safetensors(folder / "b.safetensors", half, {.max_bytes = 16});
    CHECK(io::read_safetensors(folder / "b.safetensors", {.max_bytes = 16}).tensors.at("a").type ==
          io::dtype::f32);
}

TEST_CASE("tensors are rounded to the halves of numpy and PyTorch, bit for bit") {
    const auto file = io::read_safetensors(data("halves.safetensors")); // from make_halves.py
    const auto &numbers = file.tensors.at("numbers"), &floats = file.tensors.at("floats");
    CHECK(io::rounded_to(io::dtype::f16, "numbers", numbers).bytes == file.tensors.at("float16").bytes);
    CHECK(io::rounded_to(io::dtype::bf16, "floats", floats).bytes == file.tensors.at("bfloat16").bytes);
    CHECK(io::rounded_to(io::dtype::bf16, "floats", floats).bytes != file.tensors.at("float16").bytes);

    // They are written as what they are, and read as the floats that they equal.
    const scratch folder;
    io::write_safetensors(folder / "halves.safetensors",
                          {.tensors = {{"a", io::rounded_to(io::dtype::f16, "a", numbers)}}});
    CHECK(io::safetensors_reader{folder / "halves.safetensors"}.header().tensors.at("a").type ==
          io::dtype::f16);
    const auto back = io::read_safetensors(folder / "halves.safetensors");
    const auto read = back.values<float>("a");
    const auto exact = numbers.values<double>();
    for (std::size_t i = 0; i < exact.size(); ++i)
        CHECK(std::abs(read[i] - exact[i]) <= std::max(0x1p-11 * std::abs(exact[i]), 0x1p-25));
}

TEST_CASE("numbers beyond the range of a half are refused by tensor, place and value") {
    const auto refused = [](io::dtype type, const io::tensor& from, const char* reason) {
        CHECK_THROWS_WITH_AS(static_cast<void>(io::rounded_to(type, "fc1.weight", from)), Contains(reason),
                             std::invalid_argument);
    };
    const auto of = [](double x) { return io::make_tensor({2}, std::vector<double>{1.0, x}); };
    refused(io::dtype::f16, of(65520.0),
            "tensor 'fc1.weight': number 1 is 65520, beyond the range of F16: BF16 has that of F32");
    refused(io::dtype::f16, of(-1e6), "number 1 is -1e+06");
    refused(io::dtype::bf16, of(1e39), "number 1 is 1e+39, beyond the range of BF16");
    refused(io::dtype::f32, of(1.0), "F64 to be rounded to F32");
    refused(io::dtype::f16, io::make_tensor({1}, std::vector<std::int32_t>{1}), "I32 to be rounded to F16");
    static_cast<void>(io::rounded_to(io::dtype::bf16, "", of(1e38)));
    static_cast<void>(io::rounded_to(io::dtype::f16, "", of(INFINITY))); // which it has
}

} // namespace io_safetensors_test
