// safetensors files put together by hand, and why they are refused.
#pragma once

#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include <diamond/io/safetensors.hpp>

#include "scratch.hpp"

namespace diamond_test {

/// Length, header, data, put together here and not by the code under test.
inline std::string file_of(const std::string& header, const std::string& bytes = "") {
    std::string length;
    for (std::size_t i = 0, rest = header.size(); i < 8; ++i, rest >>= 8)
        length += static_cast<char>(rest & 0xff);
    return length + header + bytes;
}

inline diamond::io::tensor_file parsed(const std::string& file) {
    return diamond::io::parse_safetensors(diamond::io::bytes_of(file), "a.safetensors");
}

inline doctest::String why(const std::string& file) {
    return reason([&] { parsed(file); });
}

/// Why a file with this header and this much data is refused.
inline doctest::String refusal(const std::string& header, std::size_t data_bytes = 0) {
    return why(file_of(header, std::string(data_bytes, '\0')));
}

inline std::string entry(const std::string& type, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// Why a tensor "a" is refused whose data has 48 bytes.
inline doctest::String refused_tensor(const std::string& type, const std::string& shape,
                                      const std::string& offsets) {
    return refusal("{\"a\":" + entry(type, shape, offsets) + "}", 48);
}

} // namespace diamond_test
