/// This header makes the folder to which a program writes.
#pragma once

#include <filesystem>
#include <system_error>

#include <diamond/io/file.hpp>

namespace studies {

/// Makes the folder of a report if it is missing. It is called before the work whose result goes there.
/// @throws diamond::io::file_error if the folder cannot be made, or the report cannot be written into it.
inline void make_folder_of(const std::filesystem::path& report) {
    const auto folder = report.parent_path();
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code || !std::filesystem::is_directory(folder, code))
        throw diamond::io::file_error{folder,
                                      "no folder to write to: " + (code ? code.message() : "it is a file") +
                                          "; name another by --out"};
    diamond::io::require_writable(report);
}

} // namespace studies
