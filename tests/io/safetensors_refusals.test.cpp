#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <diamond/io/safetensors.hpp>

#include "data.hpp"
#include "safetensors_bytes.hpp"

namespace io_safetensors_refusals_test {

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::data;
using diamond_test::entry;
using diamond_test::file_of;
using diamond_test::message;
using diamond_test::parsed;
using diamond_test::reason;
using diamond_test::refusal;
using diamond_test::refused_tensor;
using diamond_test::why;
using doctest::Contains;

TEST_CASE("what is no safetensors file is refused") {
    CHECK(why("") == "not a safetensors file but an empty file");
    CHECK(why(std::string(7, '\1')) ==
          "truncated: the length of the safetensors header takes 8 bytes, 7 are left");
    CHECK(why(std::string{"\x03\0\0\0\0\0\0\0{}", 10}) ==
          "truncated: the safetensors header takes 3 bytes, 2 are left");
    CHECK(why(std::string(8, '\xff') + "{}") ==
          "truncated: the safetensors header takes 18446744073709551615 bytes, 2 are left");
    CHECK(why(file_of("")) == "malformed safetensors header: no object: it does not start with '{'");
    CHECK(refusal("[]") == "malformed safetensors header: no object: it does not start with '{'");
    CHECK(refusal(" x{}") == Contains("no object"));
    CHECK(refusal("{} x") == Contains("no valid JSON: "));
    CHECK(refusal("{,}") == Contains("line 1, column 2"));
    CHECK(refusal("{") == Contains("no valid JSON"));
    CHECK(refusal(std::string{"{}\0garbage", 10}) == Contains("a zero byte"));
    CHECK(refusal("{\"\xff\":1}") == Contains("invalid string: ill-formed UTF-8 byte"));
    CHECK(refusal("{\"\\ud800\":1}") == Contains("no valid JSON"));
    CHECK(reason([] { io::read_safetensors("nowhere.safetensors"); }) == "no such file");
    CHECK(message<io::file_error>([] { parsed(""); }) == Contains("a.safetensors: not a safetensors file"));
}

TEST_CASE("a header beyond the format's bound is refused, one at the bound is read") {
    const auto padded = [](std::uint64_t length) { return "{}" + std::string(length - 2, ' '); };
    CHECK(refusal(padded(io::max_safetensors_header)) == "nothing thrown");
    CHECK(refusal(padded(io::max_safetensors_header + 1)) ==
          "oversized safetensors header: 100000001 bytes, at most 100000000 are read");
}

TEST_CASE("what stands twice is refused") {
    const auto one = entry("U8", "[0]", "[0,0]");
    CHECK(refusal("{\"a\":" + one + ",\"\\u0061\":" + one + "}") ==
          "malformed safetensors header: entry 'a' stands twice");
    CHECK(refusal(R"({"__metadata__":{},"__metadata__":{}})") ==
          Contains("entry '__metadata__' stands twice"));
    CHECK(refusal(R"({"__metadata__":{"k":"v","k":"w"}})") == Contains("metadata: entry 'k' stands twice"));
    for (const auto* twice : {R"("dtype":"U8")", R"("shape":[0])", R"("data_offsets":[0,0])"})
        CHECK(refusal("{\"a\":{" + std::string{twice} + "," + twice + "}}") == Contains("' stands twice"));
}

TEST_CASE("a header of another structure is refused") {
    CHECK(refusal(R"({"a":1})") ==
          "malformed safetensors header: tensor 'a': an object expected, a number found");
    CHECK(refusal(R"({"a":[]})") == Contains("an object expected, a list found"));
    CHECK(refusal(R"({"__metadata__":{"k":1}})") ==
          "malformed safetensors header: metadata: a string expected as 'k', a number found");
    CHECK(refusal(R"({"__metadata__":{"k":null}})") == Contains("a string expected as 'k', null found"));
    CHECK(refusal(R"({"__metadata__":{"k":{}}})") == Contains("a string expected as 'k', an object found"));
    CHECK(refusal(R"({"__metadata__":{"k":["v"]}})") == Contains("a string expected as 'k', a list found"));
    CHECK(refusal(R"({"__metadata__":"v"})") == Contains("an object expected, a string found"));
    CHECK(refusal(R"({"a":{"dtype":true}})") ==
          Contains("a string expected as 'dtype', true or false found"));
    CHECK(refusal(R"({"a":{"dtype":["F32"]}})") == Contains("a string expected as 'dtype', a list found"));
    CHECK(refusal(R"({"a":{"shape":{}}})") == Contains("a list expected as 'shape', an object found"));
    CHECK(refusal(R"({"a":{"shape":"3"}})") == Contains("a list expected as 'shape', a string found"));
    CHECK(refusal(R"({"a":{}})") == "malformed safetensors header: tensor 'a': no entry 'dtype'");
    CHECK(refusal(R"({"a":{"dtype":"U8"}})") == Contains("no entry 'shape'"));
    CHECK(refusal(R"({"a":{"dtype":"U8","shape":[]}})") == Contains("no entry 'data_offsets'"));
}

TEST_CASE("deep nesting is refused where it starts") {
    CHECK(refusal(R"({"a":{"shape":)" + std::string(1'000'000, '[')) ==
          Contains("expected in 'shape', a list found"));
    std::string objects = "{";
    for (int i = 0; i < 100'000; ++i) objects += R"("a":{)";
    CHECK(refusal(objects) ==
          "malformed safetensors header: tensor 'a': entry 'a' nests deeper than 127 levels");
}

TEST_CASE("a tensor that makes no sense is refused") {
    CHECK(refused_tensor("F32", "[3,4]", "[0,48]") == "nothing thrown");
    CHECK(refused_tensor("f32", "[3,4]", "[0,48]") ==
          Contains("malformed safetensors header: tensor 'a': unknown dtype 'f32', where U8, I32"));
    CHECK(refused_tensor("F8", "[48]", "[0,48]") == Contains("F8_E4M3FNUZ, F8_E5M2FNUZ are known"));
    CHECK(refused_tensor("F16", "[23]", "[0,48]") ==
          Contains("shape (23,) of F16 takes 46 bytes, data_offsets [0, 48] hold 48"));
    CHECK(refused_tensor("F4", "[96]", "[0,48]") == "nothing thrown");
    CHECK(refused_tensor("F4", "[95]", "[0,48]") ==
          Contains("shape (95,) of F4 takes more bytes than can be counted, or a part of one"));
    CHECK(refused_tensor("F6_E2M3", "[64]", "[0,48]") == "nothing thrown");

    CHECK(refused_tensor("F32", "[-3,-4]", "[0,48]") ==
          Contains("0 or more, expected in 'shape', the negative number -3 found"));
    CHECK(refused_tensor("F32", "[3.0,4]", "[0,48]") ==
          Contains("expected in 'shape', the number 3.0 found"));
    CHECK(refused_tensor("F32", "[\"3\",4]", "[0,48]") == Contains("expected in 'shape', a string found"));
    CHECK(refused_tensor("F32", "[9223372036854775808]", "[0,48]") ==
          Contains("a number beyond 9223372036854775807 in 'shape'"));
    CHECK(refused_tensor("F32", "[99999999999999999999]", "[0,48]") ==
          Contains("the number 99999999999999999999 found"));
    CHECK(refused_tensor("F32", "[1e999]", "[0,48]") == Contains("number overflow parsing '1e999'"));
    CHECK(refused_tensor("F32", "[4294967296,4294967296]", "[0,48]") ==
          Contains("shape (4294967296, 4294967296) of F32 takes more bytes than can be counted"));
    CHECK(refused_tensor("F64", "[4611686018427387904]", "[0,48]") ==
          Contains("more bytes than can be counted"));
    std::string many = "[1";
    for (std::size_t i = 0; i < io::max_tensor_axes; ++i) many += ",1";
    CHECK(refused_tensor("F32", many + "]", "[0,48]") == Contains("more than 64 numbers in 'shape'"));

    CHECK(refused_tensor("F32", "[3,4]", "[0,44]") ==
          "malformed safetensors header: tensor 'a': shape (3, 4) of F32 takes 48 bytes, data_offsets [0, "
          "44] hold 44");
    CHECK(refused_tensor("F32", "[3,4]", "[48,0]") == Contains("data_offsets [48, 0] end before they begin"));
    CHECK(refused_tensor("F32", "[3,4]", "[0]") == Contains("1 data_offsets, 2 expected"));
    CHECK(refused_tensor("F32", "[3,4]", "[0,48,96]") == Contains("3 data_offsets, 2 expected"));
    CHECK(refused_tensor("F32", "[3,4]", "[-48,0]") ==
          Contains("expected in 'data_offsets', the negative number -48 found"));
}

TEST_CASE("data that is too little, too much, shared or nobody's is refused") {
    const auto layout = [](const std::string& a, const std::string& b, std::size_t data_bytes) {
        return refusal("{\"a\":" + a + ",\"b\":" + b + "}", data_bytes);
    };
    const auto first = entry("F32", "[2]", "[0,8]");
    CHECK(layout(first, entry("F32", "[1]", "[8,12]"), 12) == "nothing thrown");
    CHECK(layout(first, entry("F32", "[1]", "[8,12]"), 11) ==
          "truncated: tensor 'b' from byte 8 to 12 of the data, 11 follow the header");
    CHECK(layout(first, entry("F32", "[1]", "[8,12]"), 13) ==
          "trailing bytes: the tensors take 12 bytes, 13 follow the header");
    CHECK(layout(first, entry("F32", "[1]", "[4,8]"), 8) ==
          "overlap: tensor 'b' from byte 4 to 8 of the data, a tensor before it reaches to 8");
    CHECK(layout(first, first, 8) == Contains("overlap: tensor "));
    CHECK(layout(first, entry("F32", "[0]", "[4,4]"), 8) == Contains("overlap: tensor 'b'"));
    CHECK(layout(first, entry("F32", "[0]", "[0,0]"), 8) == "nothing thrown");
    CHECK(layout(first, entry("F32", "[0]", "[8,8]"), 8) == "nothing thrown");
    CHECK(layout(first, entry("F32", "[1]", "[12,16]"), 16) ==
          "a hole: tensor 'b' from byte 12 to 16 of the data, the tensor before it reaches to 8");
    CHECK(refusal("{}", 1) == "trailing bytes: the tensors take 0 bytes, 1 follow the header");
    CHECK(refusal("{\"a\":" + entry("U8", "[9223372036854775807]", "[0,9223372036854775807]") + "}", 1) ==
          Contains("truncated"));
}

TEST_CASE("a file cut at any length is refused, one with a spoilt bit refused or read as some file") {
    const auto whole = contents(data("three.safetensors"));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        CHECK(why(whole.substr(0, length)) != "nothing thrown");
    }
    for (std::size_t at = 0; at < whole.size(); ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto spoilt = whole;
            spoilt[at] = static_cast<char>(static_cast<unsigned char>(spoilt[at]) ^ (1u << bit));
            why(spoilt); // nothing but a file_error comes out
        }
}

} // namespace io_safetensors_refusals_test
