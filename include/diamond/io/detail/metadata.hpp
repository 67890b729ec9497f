/// This header reads and checks the metadata of network files, and writes them.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include <diamond/core/dense.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/io/file_error.hpp>
#include <diamond/io/tensor.hpp>

namespace diamond::io::detail {

/// The names in files, in the order of the enumeration.
inline constexpr std::array<std::pair<activation, const char*>, activations> activation_names{
    {{activation::identity, "identity"},
     {activation::silu, "silu"},
     {activation::gelu, "gelu"},
     {activation::tanh, "tanh"},
     {activation::relu, "relu"},
     {activation::leaky_relu, "leaky_relu"}}};
inline constexpr std::array<std::pair<normalisation, const char*>, normalisations> norm_names{
    {{normalisation::none, "none"}, {normalisation::layer, "layer"}, {normalisation::rms, "rms"}}};

// In what follows, `File` is a tensor_file, or a safetensors_header when no data have been read yet.

/// Returns the text of a metadata entry.
/// @throws file_error if there is none.
template <class File>
const std::string& metadata_of(const File& file, const std::string& key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw file_error{file.path, "the metadata do not say '" + key + "'"};
    return found->second;
}
/// Checks that a metadata entry has this text.
/// @throws file_error if it has not.
template <class File>
void expect_metadata(const File& file, const std::string& key, const std::string& expected) {
    if (const auto& text = metadata_of(file, key); text != expected)
        throw file_error{file.path,
                         "the metadata say " + key + " '" + text + "', and '" + expected + "' is expected"};
}
/// Returns the number from 0 to `most` that a metadata entry holds.
/// @throws file_error if it holds none.
template <class File>
index_t metadata_number(const File& file, const std::string& key, index_t most) {
    const auto& text = metadata_of(file, key);
    index_t value = -1;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size() || value < 0 || value > most)
        throw file_error{file.path, "the metadata say " + key + " '" + text + "': a number from 0 to " +
                                        digits_of(most) + " is expected"};
    return value;
}
/// Returns the positive finite number that a metadata entry holds.
/// @throws file_error if it holds none.
template <class File>
double metadata_positive(const File& file, const std::string& key) {
    const auto& text = metadata_of(file, key);
    double value = 0.0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size() || !(value > 0.0) ||
        !std::isfinite(value))
        throw file_error{file.path,
                         "the metadata say " + key + " '" + text + "': a positive number is expected"};
    return value;
}
/// Returns what a table of names calls by the text of a metadata entry.
/// @throws file_error if it is none of them.
template <class Names, class File>
[[nodiscard]] auto named_in(const Names& names, const File& file, const std::string& key) {
    const auto& text = metadata_of(file, key);
    const auto found = std::ranges::find(names, text,
                                         [](const auto& entry) { return std::string(entry.second); });
    if (found == names.end())
        throw file_error{file.path, "the metadata say " + key + " '" + text + "', which is none of ours"};
    return found->first;
}
/// Checks the version, major.minor, of a file. A newer major version is refused; a newer minor one only adds
/// metadata that may be ignored.
/// @throws file_error if the version is newer or malformed.
template <class File>
void expect_version(const File& file, int major) {
    const auto& text = metadata_of(file, "version");
    const auto last = text.data() + text.size();
    int found = -1, minor = -1;
    const auto point = std::from_chars(text.data(), last, found);
    const bool reads = point.ec == std::errc{} && point.ptr != last && *point.ptr == '.' && found >= 1;
    if (const auto end = reads ? std::from_chars(point.ptr + 1, last, minor) : point;
        !reads || end.ec != std::errc{} || end.ptr != last || minor < 0)
        throw file_error{file.path, "the metadata say version '" + text + "': major.minor is expected"};
    if (found > major)
        throw file_error{file.path, "written by format version " + text + ", and this library reads up to " +
                                        digits_of(major) + ".x: a newer diamond is needed"};
}

/// Writes an entry of the format into the metadata.
/// @throws std::invalid_argument if a note has its name.
inline void put_entry(tensor_file& file, const std::string& key, const std::string& value) {
    require(file.metadata.emplace(key, value).second,
            [&] { return "a note '" + key + "': the name is the format's own"; });
}

/// Checks that all numbers are finite, since a file with others would not be read again.
/// @throws std::invalid_argument that names the first number that is not finite.
template <class Numbers>
void require_finite_numbers(const char* what, const Numbers& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
        require(std::isfinite(numbers[i]), [&] {
            return std::string(what) + " " + digits_of(i) + " is " + digits_of(numbers[i]) +
                   ": what is not finite is not saved";
        });
}

} // namespace diamond::io::detail
