/// Error messages print numbers as the shortest decimal that reads back as the same number, so that
/// 1 + 2^-52 is not "1.000000".
#pragma once

#include <charconv>
#include <concepts>
#include <cstdio>
#include <string>

namespace diamond {

/// Returns the shortest decimal that reads back as `number`: 0.1 is "0.1", and 1 + 2^-52 is
/// "1.0000000000000002".
template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
[[nodiscard]] std::string digits_of(Number number) {
    char text[32]; // the longest double has 24 characters
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return {text, end};
}
/// A number to so many significant digits, for what is known no better, as in warnings.
[[nodiscard]] inline std::string rounded(double x, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, x);
    return text;
}

} // namespace diamond
