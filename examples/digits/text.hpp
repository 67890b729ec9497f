// Numbers as the reports write them, and text files.
#pragma once

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include <diamond/io/file.hpp>

namespace digits {

inline std::string number(std::optional<double> x, const char* format = "%.3g") {
    if (!x || !std::isfinite(*x)) return "–";
    char text[48];
    std::snprintf(text, sizeof text, format, *x);
    return text;
}

inline std::string with_error(std::optional<double> x, std::optional<double> error, const char* format = "%.3g") {
    return number(x, format) + (error && std::isfinite(*error) ? " ± " + number(error, "%.1g") : "");
}

/// Writes a text file, whole or not at all.
inline void write_text(const std::filesystem::path& path, const std::string& text) { diamond::io::write_atomically(path, {std::as_bytes(std::span(text))}); }

} // namespace digits
