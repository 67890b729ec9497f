/// This header reads and writes JSON files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>

namespace diamond::io {

/// This type holds the limits on JSON files. They apply for reading and for writing, so that what is written
/// can be read again.
struct json_options {
    /// A file may have this many bytes, 64 MiB; reports and configurations are far smaller.
    std::uintmax_t max_bytes = std::uintmax_t{1} << 26;
    /// Values may nest this deeply. Copying, comparing and writing a value recurse, and a deep value would
    /// overflow the stack.
    int max_depth = 256;
};

namespace detail {

/// Builds a value from the events of nlohmann::json in one pass. The library's own parser would not do: with
/// a callback it looks through all siblings at the end of each object, and without one it does not know the
/// depth and silently takes the last of two entries of one name.
class json_builder {
public:
    json_builder(const std::filesystem::path& path, int max_depth) : path_{path}, max_depth_{max_depth} {}
    nlohmann::json result() && { return std::move(root_); }

    bool null() { return put(nullptr); }
    bool boolean(bool value) { return put(value); }
    bool number_integer(std::int64_t value) { return put(value); }
    bool number_unsigned(std::uint64_t value) { return put(value); }
    bool number_float(double value, const std::string&) { return put(value); }
    bool string(std::string& value) { return put(std::move(value)); }
    // JSON has no such value, other formats of nlohmann::json do.
    bool binary(nlohmann::json::binary_t&) { return false; }
    bool start_object(std::size_t) { return open(nlohmann::json::value_t::object); }
    bool start_array(std::size_t) { return open(nlohmann::json::value_t::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        auto& entries = open_.back()->get_ref<nlohmann::json::object_t&>();
        const auto [entry, fresh] = entries.emplace(std::move(name), nullptr);
        if (!fresh)
            throw file_error{path_, "no valid JSON: entry '" + entry->first + "' stands twice in one object"};
        entry_ = &entry->second;
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
        throw file_error{path_, std::string{"no valid JSON: "} + error.what()};
    }

private:
    /// Stores the next value and returns its place: the entry whose key was read, the end of the open list,
    /// or the root.
    template <class T>
    nlohmann::json& place(T&& value) {
        if (open_.empty()) return root_ = std::forward<T>(value);
        if (open_.back()->is_object()) return *entry_ = std::forward<T>(value);
        return open_.back()->get_ref<nlohmann::json::array_t&>().emplace_back(std::forward<T>(value));
    }
    template <class T>
    bool put(T&& value) {
        place(std::forward<T>(value));
        return true;
    }
    bool open(nlohmann::json::value_t kind) {
        if (std::cmp_greater_equal(open_.size(), max_depth_))
            throw file_error{path_, "nested deeper than " + digits_of(max_depth_) + " levels"};
        // A list does not grow, and so does not move, while a value inside of it is open.
        open_.push_back(&place(nlohmann::json(kind)));
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    const std::filesystem::path& path_;
    int max_depth_;
    nlohmann::json root_;
    std::vector<nlohmann::json*> open_;
    nlohmann::json* entry_ = nullptr;
};

/// Parses a text, in a time proportional to its size.
/// @throws file_error with this path if it nests deeper than `max_depth`, holds two entries of one name in an
/// object, or is not JSON.
inline nlohmann::json parse_json(const std::filesystem::path& path, std::string_view text, int max_depth) {
    json_builder builder{path, max_depth};
    // nlohmann::json would take a zero byte for the end of the text.
    if (const auto zero = text.find('\0'); zero != text.npos)
        throw file_error{path, "no valid JSON: a zero byte behind " + digits_of(zero) + " others"};
    nlohmann::json::sax_parse(text, &builder);
    return std::move(builder).result();
}

/// Returns whether the value nests deeper than `levels`, without recursion.
template <class Json>
bool is_deeper(const Json& value, int levels) {
    std::vector<std::pair<const Json*, int>> left{{&value, 0}};
    while (!left.empty()) {
        const auto [at, around] = left.back();
        left.pop_back();
        if (!at->is_structured()) continue;
        if (around >= levels) return true;
        for (const auto& inside : *at)
            if (inside.is_structured()) left.emplace_back(&inside, around + 1);
    }
    return false;
}

} // namespace detail

/// Reads a JSON file, in a time proportional to its size.
/// @throws file_error if it cannot be read, is larger or deeper than the options allow, holds two entries of
/// one name in an object, or is not JSON; the message says where it fails or what the file is instead.
inline nlohmann::json read_json(const std::filesystem::path& path, const json_options& options = {}) {
    const auto text = read_text(path, options.max_bytes);
    try {
        return detail::parse_json(path, text, options.max_depth);
    } catch (const file_error& error) {
        input_file{path, bytes_of(text)}.fail_as_other("not valid JSON", error.reason(), "a text");
    }
}

/// Writes a JSON value (nlohmann::json, or ordered_json to keep the order of keys), indented, whole or not at
/// all. NaN and infinities become null, since JSON has no numbers for them.
/// @throws file_error if writing fails; std::invalid_argument if a string is not UTF-8, or `read_json` with
/// these options would refuse the file for its size or depth.
template <class Json = nlohmann::json>
void write_json(const std::filesystem::path& path, const Json& value, const json_options& options = {}) {
    constexpr int indent = 2;
    if (detail::is_deeper(value, options.max_depth))
        throw std::invalid_argument{"write_json: nested deeper than " + digits_of(options.max_depth) +
                                    " levels"};
    std::string text;
    try {
        text = value.dump(indent) + '\n';
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument{std::string{"write_json: "} + error.what()};
    }
    if (text.size() > options.max_bytes)
        throw std::invalid_argument{"write_json: " + digits_of(text.size()) + " bytes, at most " +
                                    digits_of(options.max_bytes) + " are written and read"};
    write_atomically(path, {bytes_of(text)});
}

} // namespace diamond::io
