/// This header writes numbers as the reports show them, and text files.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <diamond/io/file.hpp>

#include "../shared/table.hpp"

namespace digits {

inline std::string number(std::optional<double> x, const char* format = "%.3g") {
    if (!x || !std::isfinite(*x)) return "–";
    char text[48];
    std::snprintf(text, sizeof text, format, *x);
    return text;
}

inline std::string with_error(std::optional<double> x, std::optional<double> error,
                              const char* format = "%.3g") {
    return number(x, format) + (error && std::isfinite(*error) ? " ± " + number(error, "%.1g") : "");
}

/// These functions return such numbers as cells of tables.
inline studies::cell figure(std::optional<double> x, const char* format = "%.3g") {
    return x && std::isfinite(*x) ? studies::cell(format, *x) : studies::cell("–");
}
inline studies::cell figure(std::optional<double> x, std::optional<double> error, const char* format,
                            const char* error_format) {
    if (!x || !std::isfinite(*x) || !error || !std::isfinite(*error)) return figure(x, format);
    return {std::string(format) + " ± " + error_format, std::vector<double>{*x, *error}};
}
inline studies::cell count(std::int64_t n) { return {"%.0f", static_cast<double>(n)}; }

/// Returns what a run took, for the table over seeds.
inline studies::table seconds_of(double whole) {
    studies::table result{"seconds", "Time", "", {"", "seconds"}};
    result.add({"the whole run", {"%.1f", whole}});
    return result;
}

/// Writes a text file, whole or not at all.
inline void write_text(const std::filesystem::path& path, const std::string& text) {
    diamond::io::write_atomically(path, {std::as_bytes(std::span(text))});
}

} // namespace digits
