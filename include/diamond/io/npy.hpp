// numpy's npy files, in and out. A C-ordered (N, d) array is byte for byte a d x N batch, one particle a column.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>
#include <diamond/io/npy_header.hpp>
#include <diamond/io/shape.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diamond::io {

static_assert(std::endian::native == std::endian::little, "diamond::io reads and writes little-endian files in place");

/// The element types that npy files are read and written in.
template <class T>
concept npy_scalar = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t> ||
    std::same_as<T, std::uint64_t> || std::same_as<T, float> || std::same_as<T, double>;

/// An array of any number of axes in C order, the last index fastest; no axes is one number.
template <class T>
struct npy_array {
    std::vector<std::size_t> shape = {};
    std::vector<T> data            = {};
};

/// A gibibyte holds four million 8 x 8 images in float; a file that claims more is more likely spoilt than wanted.
inline constexpr std::uintmax_t default_max_npy_bytes = std::uintmax_t{1} << 30;

struct npy_options {
    std::uintmax_t max_bytes       = default_max_npy_bytes; ///< of data; a file with more is refused before allocating
    std::vector<std::size_t> shape = {};                    ///< the shape expected, say {any, 64}; empty: whatever it is
};

namespace detail {

inline constexpr std::string_view npy_magic = "\x93NUMPY";
/// numpy itself refuses headers beyond 10,000 characters by default; version 1.0 cannot say more than this.
inline constexpr std::size_t max_npy_header = 65535;
/// numpy pads its headers so that the data starts at a multiple of this, for memory maps.
inline constexpr std::size_t npy_alignment = 64;

template <npy_scalar T>
constexpr std::string_view npy_dtype() {
    if constexpr (std::same_as<T, std::uint8_t>)
        return "|u1";
    else if constexpr (std::same_as<T, std::int32_t>)
        return "<i4";
    else if constexpr (std::same_as<T, std::int64_t>)
        return "<i8";
    else if constexpr (std::same_as<T, std::uint64_t>)
        return "<u8";
    else if constexpr (std::same_as<T, float>)
        return "<f4";
    else
        return "<f8";
}

/// Reads magic, version, length and dictionary; afterwards the file stands at its data.
inline npy_header read_npy_header(input_file& file) {
    std::string start(npy_magic.size() + 2, '\0'); // then major and minor version
    file.read(std::as_writable_bytes(std::span{start}), "the start of an npy file");
    if (!start.starts_with(npy_magic)) file.fail("not an npy file: it does not start with \\x93NUMPY");
    const int major = static_cast<unsigned char>(start[npy_magic.size()]);
    const int minor = static_cast<unsigned char>(start[npy_magic.size() + 1]);
    if (major < 1 || major > 3 || minor != 0)
        file.fail("npy version " + digits_of(major) + "." + digits_of(minor) + ", where 1.0, 2.0 and 3.0 are read");

    std::array<unsigned char, 4> length_bytes{};
    file.read(std::as_writable_bytes(std::span{length_bytes}.first(major == 1 ? 2 : 4)), "the length of the npy header");
    const auto length = std::bit_cast<std::uint32_t>(length_bytes);
    if (length > max_npy_header)
        file.fail("oversized npy header: " + digits_of(length) + " bytes, at most " + digits_of(max_npy_header) + " are read");
    std::string text(length, '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the npy header");
    return npy_header_parser{file.path(), text}.parse();
}

/// Refuses what does not match: element type, order, expected shape.
inline void check_npy_header(const input_file& file, const npy_header& header, std::string_view dtype,
                             std::span<const std::size_t> expected) {
    const bool same = header.dtype == dtype || (dtype == "|u1" && header.dtype == "<u1"); // one byte has no order
    if (!same)
        file.fail("wrong dtype: '" + header.dtype + "'" + (header.dtype.starts_with('>') ? " (big-endian)" : "") + " found, '" +
                  std::string{dtype} + "' expected");
    if (header.fortran_order && header.shape.size() > 1)
        file.fail("Fortran order of shape " + shape_text(header.shape) + " found, C order expected");
    if (!expected.empty() &&
        !std::ranges::equal(expected, header.shape, [](std::size_t wanted, std::size_t found) { return wanted == any || wanted == found; }))
        file.fail("misshapen: shape " + shape_text(header.shape) + " found, " + shape_text(expected) + " expected");
}

template <npy_scalar T>
npy_array<T> read_npy(input_file& file, const npy_options& options) {
    auto header = read_npy_header(file);
    check_npy_header(file, header, npy_dtype<T>(), options.shape);

    const auto count = element_count(header.shape);
    if (!count || *count > options.max_bytes / sizeof(T))
        file.fail("oversized: shape " + shape_text(header.shape) + " of " + digits_of(sizeof(T)) + " bytes each, at most " +
                  digits_of(options.max_bytes) + " bytes are read");
    const auto bytes = *count * sizeof(T);
    if (file.remaining() != bytes)
        file.fail(std::string{file.remaining() < bytes ? "truncated" : "trailing bytes"} + ": shape " + shape_text(header.shape) +
                  " takes " + digits_of(bytes) + " bytes, " + digits_of(file.remaining()) + " follow the header");

    npy_array<T> result{std::move(header.shape), std::vector<T>(*count)};
    file.read(std::as_writable_bytes(std::span{result.data}), "the data");
    return result;
}

} // namespace detail

/// Reads an npy file (versions 1.0, 2.0, 3.0) of exactly element type T, little-endian and in C order.
/// @throws file_error with the reason, before anything is allocated for the data, when the file is no npy file, is
/// truncated, has bytes to spare, a malformed header, another dtype, byte order, order or shape, or too much data.
template <npy_scalar T>
npy_array<T> read_npy(const std::filesystem::path& path, const npy_options& options = {}) {
    input_file file{path};
    return detail::read_npy<T>(file, options);
}

/// The same of a file's bytes in memory; `name` is the path in errors.
template <npy_scalar T>
npy_array<T> parse_npy(std::span<const std::byte> bytes, const std::filesystem::path& name, const npy_options& options = {}) {
    input_file file{name, bytes};
    return detail::read_npy<T>(file, options);
}

/// Writes an npy file (version 1.0) of `shape` in C order, whole or not at all.
/// @throws std::invalid_argument when `data` does not hold as many elements as `shape` says; file_error when writing fails.
template <std::ranges::contiguous_range Data>
requires npy_scalar<std::ranges::range_value_t<Data>>
void write_npy(const std::filesystem::path& path, const Data& data, std::span<const std::size_t> shape) {
    using T = std::ranges::range_value_t<Data>;
    const std::span<const T> elements{std::ranges::data(data), std::ranges::size(data)};
    if (shape.size() > max_npy_axes)
        throw std::invalid_argument{"write_npy: " + digits_of(shape.size()) + " axes, at most " + digits_of(max_npy_axes) +
                                    " are written"};
    if (detail::element_count(shape) != elements.size())
        throw std::invalid_argument{"write_npy: " + digits_of(elements.size()) + " elements for shape " + detail::shape_text(shape)};

    std::string text =
        "{'descr': '" + std::string{detail::npy_dtype<T>()} + "', 'fortran_order': False, 'shape': " + detail::shape_text(shape) + ", }";
    const auto before = detail::npy_magic.size() + 4; // two bytes of version, two of length
    text.append(detail::npy_alignment - 1 - (before + text.size()) % detail::npy_alignment, ' ');
    text += '\n';
    std::string start{detail::npy_magic};
    start += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
    write_atomically(path, {bytes_of(start), bytes_of(text), std::as_bytes(elements)});
}

template <std::ranges::contiguous_range Data>
requires npy_scalar<std::ranges::range_value_t<Data>>
void write_npy(const std::filesystem::path& path, const Data& data, std::initializer_list<std::size_t> shape) {
    write_npy(path, data, std::span{shape.begin(), shape.size()});
}

template <npy_scalar T>
void write_npy(const std::filesystem::path& path, const npy_array<T>& whole) {
    write_npy(path, whole.data, whole.shape);
}

} // namespace diamond::io
