// JSON files.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace diamond::io {

struct json_options {
    std::uintmax_t max_bytes = std::uintmax_t{1} << 26; ///< 64 MiB: reports and configurations are far smaller
    int max_depth            = 256; ///< of nesting: copying and comparing the value recurse, and a deep one overflows the stack
};

/// Reads a JSON file.
/// @throws file_error when it cannot be read, is larger or deeper than the options allow, or is no JSON, saying where.
inline nlohmann::json read_json(const std::filesystem::path& path, const json_options& options = {}) {
    const auto text        = read_text(path, options.max_bytes);
    const auto check_depth = [&](int levels_around, nlohmann::json::parse_event_t event, nlohmann::json&) {
        using enum nlohmann::json::parse_event_t;
        if ((event == object_start || event == array_start) && levels_around >= options.max_depth)
            throw file_error{path, "nested deeper than " + digits_of(options.max_depth) + " levels"};
        return true;
    };
    try {
        return nlohmann::json::parse(text, check_depth);
    } catch (const nlohmann::json::exception& error) {
        throw file_error{path, std::string{"no valid JSON: "} + error.what()};
    }
}

/// Writes a JSON value (nlohmann::json, or ordered_json to keep the order of keys), indented, whole or not at all; NaN and infinities
/// become null, which JSON has in their place.
/// @throws file_error when writing fails; std::invalid_argument when a string is not UTF-8.
template <class Json = nlohmann::json>
void write_json(const std::filesystem::path& path, const Json& value) {
    constexpr int indent = 2;
    std::string text;
    try {
        text = value.dump(indent) + '\n';
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument{std::string{"write_json: "} + error.what()};
    }
    write_atomically(path, {bytes_of(text)});
}

} // namespace diamond::io
