// Runs the examples, as a user would.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <sys/wait.h>

namespace diamond_test {

struct program_result {
    int         status; ///< of exit, or -1
    std::string output; ///< of both streams
};

/// Runs an example through the shell; `arguments` as one would type them.
inline program_result run_example(const std::string& name, const std::string& arguments) {
    const std::string      command = "'" + (std::filesystem::path(DIAMOND_EXAMPLES) / name).string() + "' " + arguments + " 2>&1";
    program_result         result{-1, ""};
    std::array<char, 4096> buffer;
    std::FILE* const       pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) result.output.append(buffer.data(), count);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
    return result;
}

/// An empty folder of the build tree, which stays for whoever wants to look.
inline std::filesystem::path empty_folder(const std::string& name) {
    const auto folder = std::filesystem::path(DIAMOND_EXAMPLES_OUT) / name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
}

inline std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

} // namespace diamond_test
