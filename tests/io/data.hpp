// The files of tests/io/data.
#pragma once

#include <filesystem>
#include <string_view>

namespace diamond_test {

inline std::filesystem::path data(std::string_view name) {
    return std::filesystem::path{DIAMOND_TEST_DATA} / name;
}

} // namespace diamond_test
