/// This header checks the numbers that examples accept. CLI11's own range lets NaN pass, and a minus before
/// an unsigned number.
#pragma once

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

namespace examples {

/// Accepts a number from low to high.
inline CLI::Validator between(double low, double high) {
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g", low, high);
    return {[=, range = std::string(range)](const std::string& text) {
                double x = NAN;
                return CLI::detail::lexical_cast(text, x) && x >= low && x <= high
                         ? ""
                         : "'" + text + "' is no number from " + range;
            },
            "from " + std::string(range)};
}

/// Refuses negative numbers. An unsigned option would otherwise take -1 for its largest number, and a larger
/// number for something else.
inline std::string not_negative(const std::string& text) {
    if (text.starts_with('-')) return "'" + text + "' is below zero";
    errno = 0;
    static_cast<void>(std::strtoull(text.c_str(), nullptr, 10));
    return errno == ERANGE ? "'" + text + "' is above 2^64 - 1" : "";
}

} // namespace examples
