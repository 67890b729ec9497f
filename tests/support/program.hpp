// Runs the examples and studies, as a user would.
#pragma once

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <diamond/io/file.hpp>
#include <diamond/io/json.hpp>

namespace diamond_test {

struct program_result {
    int status;         ///< of exit, or -1
    std::string output; ///< of both streams
};

/// Runs a program through the shell; `arguments` as one would type them.
inline program_result run_program(const std::string& name, const std::string& arguments) {
    const std::string command = "'" + (std::filesystem::path(DIAMOND_PROGRAMS) / name).string() + "' " +
                                arguments + " 2>&1";
    program_result result{-1, ""};
    std::array<char, 4096> buffer;
    std::FILE* const pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
        result.output.append(buffer.data(), count);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
    return result;
}

/// Standard output that cannot be written is an error, in a sentence. Where there is no /dev/full, nothing is
/// checked.
inline void check_full_output(const std::string& program, const std::string& arguments) {
    if (!std::filesystem::exists("/dev/full")) return;
    // The program's standard error is read, without its output; what the shell would append is a comment.
    const auto [status, output] = run_program(program, arguments + " 2>&1 >/dev/full #");
    INFO(program, " ", arguments, ": ", output);
    CHECK(status == 1);
    CHECK(output.find(program + ": standard output could not be written in full") != std::string::npos);
}

/// An empty folder of the build tree, which stays for whoever wants to look.
inline std::filesystem::path empty_folder(const std::string& name) {
    const auto folder = std::filesystem::path(DIAMOND_PROGRAMS_OUT) / name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
}

inline std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

/// A figure over two seeds is the mean of theirs, and its deviation the root of half their difference's
/// square.
inline void check_over_two_seeds(const nlohmann::json& figure, double one, double other) {
    INFO(figure.dump(), " of ", one, " and ", other);
    CHECK(figure.at("seeds") == 2);
    CHECK(figure.at("mean").get<double>() == doctest::Approx(0.5 * (one + other)).epsilon(1e-12));
    CHECK(figure.at("deviation").get<double>() ==
          doctest::Approx(std::abs(one - other) / std::sqrt(2.0)).epsilon(1e-6));
}

/// Every figure of every table of <name>.json in `folder` against those of the folders of its two seeds.
/// Gives their number.
inline int check_tables_over_two_seeds(const std::filesystem::path& folder, const std::string& name,
                                       const std::string& one, const std::string& other) {
    const auto read = [&](const std::filesystem::path& of) {
        return diamond::io::read_json(of / (name + ".json")).at("tables");
    };
    const auto tables = read(folder), tables_of_one = read(folder / one),
               tables_of_other = read(folder / other);
    REQUIRE(tables.size() == tables_of_one.size());
    int figures = 0;
    for (const auto& [table, rows] : tables.items())
        for (const auto& [row, cells] : rows.items())
            for (const auto& [column, cell] : cells.items()) {
                if (cell.is_string()) continue;
                INFO(table, ": ", row, ": ", column);
                const auto of_one = tables_of_one.at(table).at(row).at(column),
                           of_other = tables_of_other.at(table).at(row).at(column);
                // the errors of single seeds are left out
                const auto all = cell.is_array() ? cell : nlohmann::json::array({cell});
                const auto numbers = [](const nlohmann::json& of, std::size_t k) {
                    return of.is_array() ? of.at(k) : of;
                };
                for (std::size_t k = 0; k < all.size(); ++k) {
                    if (all[k].at("seeds") != 2) continue; // some seed has none
                    check_over_two_seeds(all[k], numbers(of_one, k), numbers(of_other, k));
                    ++figures;
                }
            }
    return figures;
}

/// --device cuda runs on a GPU, or not at all: then it says what is missing.
inline void check_device_cuda(const std::string& name, const std::string& arguments) {
    const auto out = empty_folder("device_cuda_" + name);
    const auto [status, output] = run_program(name, arguments + " --device cuda --out " + quoted(out));
    INFO(output);
    if (status == 0) {
        CHECK(diamond::io::read_text(out / "report.json", 1 << 20).find("(cuda 0)") != std::string::npos);
    } else {
        const bool without = output.find("built without CUDA") != std::string::npos,
                   no_device = output.find("cuda: ") != std::string::npos;
        CHECK((without || no_device));
        CHECK(!std::filesystem::exists(out / "report.json"));
    }
}

} // namespace diamond_test
