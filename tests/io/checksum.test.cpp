#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/checksum.hpp>
#include <diamond/io/safetensors.hpp>

#include "scratch.hpp"

namespace io_checksum_test {

namespace io = diamond::io;
using diamond_test::reason;
using doctest::Contains;

namespace {

std::uint32_t crc_of(std::string_view text) {
    io::crc32c sum;
    sum.add(std::as_bytes(std::span{text.data(), text.size()}));
    return sum.value();
}

/// The definition, a bit at a time.
std::uint32_t slow_crc_of(std::string_view text) {
    std::uint32_t state = ~0u;
    for (const char c : text)
        for (unsigned bit = 0; bit < 8; ++bit) {
            const bool divides = ((state ^ (static_cast<unsigned char>(c) >> bit)) & 1u) != 0;
            state = state >> 1 ^ (divides ? 0x82f63b78u : 0u);
        }
    return ~state;
}

io::tensor_file example() {
    return {.metadata = {{"schedule", "linear"}, {"note", ""}},
            .tensors = {{"a", io::make_tensor({3}, std::vector<float>{1, 2, 3})},
                        {"b", io::make_tensor({0, 2}, std::vector<double>{})}}};
}

} // namespace

TEST_CASE("CRC-32C gives the values that its standard lists, of parts as of the whole") {
    CHECK(crc_of("123456789") == 0xe3069283u);           // the check value of every list of CRCs
    CHECK(crc_of(std::string(32, '\0')) == 0x8a9136aau); // RFC 3720, B.4
    CHECK(crc_of(std::string(32, '\xff')) == 0x62a8ab43u);
    CHECK(crc_of("") == 0);
    std::string text;
    for (int i = 0; i < 100; ++i) {
        CHECK(crc_of(text) == slow_crc_of(text));
        text += static_cast<char>(37 * i + i * i);
    }
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        io::crc32c sum;
        sum.add(io::bytes_of(std::string_view{text}.substr(0, cut)));
        sum.add(io::bytes_of(std::string_view{text}.substr(cut)));
        CHECK(sum.value() == slow_crc_of(text));
    }
}

TEST_CASE("a file that was changed is refused, one without a checksum passes") {
    auto file = example();
    io::check_checksum(file); // none
    io::put_checksum(file);
    CHECK(file.metadata.at("checksum").starts_with("crc32c "));
    CHECK(file.metadata.at("checksum").size() == 15);
    io::check_checksum(file);
    io::put_checksum(file); // its own entry is not part of it
    io::check_checksum(file);

    const auto refused = [&](const auto& spoil) {
        auto spoilt = file;
        spoil(spoilt);
        return reason([&] { io::check_checksum(spoilt); });
    };
    for (std::size_t at = 0; at < 12; ++at)
        for (int bit = 0; bit < 8; ++bit)
            CHECK(refused([&](auto& f) { f.tensors["a"].bytes[at] ^= std::byte(1 << bit); }) ==
                  Contains("spoilt, or changed since it was written"));
    CHECK(refused([](auto& f) { f.metadata["schedule"] = "lineas"; }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.metadata["more"] = ""; }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.metadata.erase("note"); }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.metadata["note"].swap(f.metadata["schedule"]); }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.tensors["a"].shape = {3, 1}; }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.tensors["b"].shape = {2, 0}; }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.tensors["a"].type = io::dtype::i32; }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { std::swap(f.tensors["c"], f.tensors["b"]); }) == Contains("spoilt"));
    CHECK(refused([](auto& f) { f.metadata["checksum"] = "crc32c 00000000"; }) ==
          Contains("its checksum is 'crc32c 00000000'"));
    // This checksum is another program's.
    CHECK(refused([](auto& f) { f.metadata["checksum"] = "md5 0"; }) == "nothing thrown");
    CHECK(refused([](auto& f) { f.metadata.erase("checksum"); }) == "nothing thrown"); // as the sentence says
}

} // namespace io_checksum_test
