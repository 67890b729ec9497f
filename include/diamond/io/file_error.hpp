/// This header defines the exception of the functions that read and write files.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace diamond::io {

/// This exception says that a file cannot be read or written, or does not hold what was asked for; what() is
/// "path: reason".
class file_error : public std::runtime_error {
public:
    /// The error that a file is not what it should be, and why.
    file_error(std::filesystem::path path, std::string reason)
        : std::runtime_error{path.string() + ": " + reason},
          path_{std::move(path)},
          reason_{std::move(reason)} {}

    /// Returns the path of the file; reason() is the message without it.
    const std::filesystem::path& path() const noexcept { return path_; }
    /// Returns why the file was refused, a sentence without the path.
    const std::string& reason() const noexcept { return reason_; }

private:
    std::filesystem::path path_;
    std::string reason_;
};

} // namespace diamond::io
