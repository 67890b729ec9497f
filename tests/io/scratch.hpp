// What the tests of files share: a folder of their own, and the reasons of errors.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <diamond/io/file_error.hpp>

namespace diamond_test {

/// An empty folder that is gone when the test is.
class scratch {
public:
    scratch()
        : folder_{std::filesystem::temp_directory_path() /
                  ("diamond-io-" + std::to_string(std::random_device{}()))} {
        std::filesystem::create_directory(folder_);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }
    const std::filesystem::path& folder() const { return folder_; }

private:
    std::filesystem::path folder_;
};

inline std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

inline void overwrite(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream{path, std::ios::binary}.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The reason of the file_error that f throws; "nothing thrown" when it throws none.
template <class F>
doctest::String reason(F f) {
    try {
        f();
    } catch (const diamond::io::file_error& error) {
        return error.reason().c_str();
    }
    return "nothing thrown";
}

/// Returns the what() of the Error, a type of any other error, that f throws; "nothing thrown" when it throws
/// none.
template <class Error, class F>
doctest::String message(F f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing thrown";
}

} // namespace diamond_test
