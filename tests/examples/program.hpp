// Runs the examples, as a user would.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <sys/wait.h>

#include <diamond/io/file.hpp>

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

/// --device cuda runs on a GPU, or not at all: then it says what is missing.
inline void check_device_cuda(const std::string& name, const std::string& arguments) {
    const auto out              = empty_folder("device_cuda_" + name);
    const auto [status, output] = run_example(name, arguments + " --device cuda --out " + quoted(out));
    INFO(output);
    if (status == 0) {
        CHECK(diamond::io::read_text(out / "report.json", 1 << 20).find("(cuda 0)") != std::string::npos);
    } else {
        const bool without = output.find("built without CUDA") != std::string::npos, no_device = output.find("cuda: ") != std::string::npos;
        CHECK((without || no_device));
        CHECK(!std::filesystem::exists(out / "report.json"));
    }
}

} // namespace diamond_test
