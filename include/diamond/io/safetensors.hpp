// safetensors files, in and out: 8 bytes of header length, a JSON header, the tensors' bytes without gaps.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file.hpp>
#include <diamond/io/safetensors_header.hpp>
#include <diamond/io/tensor.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace diamond::io {

static_assert(std::endian::native == std::endian::little, "diamond::io reads and writes little-endian files in place");

/// The format's own bound on the bytes of a header, padding included.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

namespace detail {

/// The padding makes the data start at a multiple of this, for memory maps.
inline constexpr std::size_t safetensors_alignment = 8;

/// Reads length and header; afterwards the file stands at its data.
inline safetensors_header read_safetensors_header(input_file& file) {
    std::array<unsigned char, 8> length_bytes{};
    file.read(std::as_writable_bytes(std::span{length_bytes}), "the length of the safetensors header");
    const auto length = std::bit_cast<std::uint64_t>(length_bytes);
    file.expect(length, "the safetensors header");
    if (length > max_safetensors_header)
        file.fail("oversized safetensors header: " + digits_of(length) + " bytes, at most " + digits_of(max_safetensors_header) +
                  " are read");
    std::string text(static_cast<std::size_t>(length), '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the safetensors header");
    return safetensors_header_parser{file.path(), text}.parse();
}

using named_entry = std::pair<const std::string, safetensors_entry>;

/// The entries in the order of their bytes; refuses them unless every byte of the data is in exactly one.
inline std::vector<named_entry*> entries_in_order(const input_file& file, safetensors_header& header) {
    std::vector<named_entry*> entries;
    for (auto& entry : header.entries) entries.push_back(&entry);
    std::ranges::sort(entries, {}, [](const named_entry* entry) { return std::pair{entry->second.begin, entry->second.end}; });

    std::uint64_t at = 0;
    for (const auto* entry : entries) {
        const auto& [name, place] = *entry;
        const auto range          = "tensor '" + name + "' from byte " + digits_of(place.begin) + " to " + digits_of(place.end);
        if (place.end > file.remaining())
            file.fail("truncated: " + range + " of the data, " + digits_of(file.remaining()) + " follow the header");
        if (place.begin < at) file.fail("overlap: " + range + " of the data, a tensor before it reaches to " + digits_of(at));
        if (place.begin > at) file.fail("a hole: " + range + " of the data, the tensor before it reaches to " + digits_of(at));
        at = place.end;
    }
    if (at != file.remaining())
        file.fail("trailing bytes: the tensors take " + digits_of(at) + " bytes, " + digits_of(file.remaining()) +
                  " follow the header");
    return entries;
}

inline tensor_file read_safetensors(input_file& file) {
    auto header        = read_safetensors_header(file);
    const auto entries = entries_in_order(file, header);
    tensor_file result{.metadata = std::move(header.metadata), .path = file.path()};
    for (auto* entry : entries) {
        auto& [name, place] = *entry;
        std::vector<std::byte> bytes(static_cast<std::size_t>(place.end - place.begin));
        file.read(bytes, "tensor '" + name + "'");
        result.tensors.emplace(name, tensor{place.type, std::move(place.shape), std::move(bytes)});
    }
    return result;
}

/// Refuses a tensor that would not be read again.
inline void check_tensor(const std::string& name, const tensor& tensor) {
    const auto fail = [&](const std::string& reason) {
        throw std::invalid_argument{"write_safetensors: tensor '" + name + "': " + reason};
    };
    if (name == "__metadata__") fail("the name is the format's own");
    if (tensor.shape.size() > max_tensor_axes)
        fail(digits_of(tensor.shape.size()) + " axes, at most " + digits_of(max_tensor_axes) + " are written");
    if (byte_count(tensor.type, tensor.shape) != tensor.bytes.size())
        fail(digits_of(tensor.bytes.size()) + " bytes for shape " + shape_text(tensor.shape) + " of " + to_string(tensor.type));
}

/// What stands before the data: length and header.
inline std::string safetensors_start(const tensor_file& file) {
    nlohmann::ordered_json::object_t header;
    if (!file.metadata.empty()) header.emplace_back("__metadata__", file.metadata);
    std::uint64_t at = 0;
    for (const auto& [name, tensor] : file.tensors) {
        check_tensor(name, tensor);
        const auto begin = std::exchange(at, at + tensor.bytes.size());
        nlohmann::ordered_json entry{{"dtype", to_string(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {begin, at}}};
        header.emplace_back(name, std::move(entry)); // unlike operator[], without a search
    }
    std::string text;
    try {
        text = nlohmann::ordered_json(std::move(header)).dump();
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument{std::string{"write_safetensors: "} + error.what()};
    }
    text.resize((text.size() + safetensors_alignment - 1) / safetensors_alignment * safetensors_alignment, ' ');
    if (text.size() > max_safetensors_header)
        throw std::invalid_argument{"write_safetensors: a header of " + digits_of(text.size()) + " bytes, at most " +
                                    digits_of(max_safetensors_header) + " are written"};
    const auto length = std::bit_cast<std::array<char, 8>>(std::uint64_t{text.size()});
    return std::string{length.begin(), length.end()} + text;
}

} // namespace detail

/// Reads a safetensors file of U8, I32, I64, U64, F32 and F64 tensors.
/// @throws file_error with the reason, before anything is allocated for the data, when the file is truncated, has bytes to
/// spare, a malformed or oversized header, entries that stand twice, another dtype, or tensors whose bytes are not as many
/// as their shape says, overlap or leave a hole.
inline tensor_file read_safetensors(const std::filesystem::path& path) {
    input_file file{path};
    return detail::read_safetensors(file);
}

/// The same of a file's bytes in memory; `name` is the path in errors.
inline tensor_file parse_safetensors(std::span<const std::byte> bytes, const std::filesystem::path& name) {
    input_file file{name, bytes};
    return detail::read_safetensors(file);
}

/// Writes a safetensors file, whole or not at all: the same bytes for the same tensors, which stand in the order of their names.
/// @throws std::invalid_argument when a tensor's bytes are not as many as its shape says, its name is "__metadata__", a name
/// or text is not UTF-8, or the header becomes too long; file_error when writing fails.
inline void write_safetensors(const std::filesystem::path& path, const tensor_file& file) {
    const auto start = detail::safetensors_start(file);
    std::vector<std::span<const std::byte>> parts{bytes_of(start)};
    for (const auto& [_, tensor] : file.tensors) parts.emplace_back(tensor.bytes);
    write_atomically(path, parts);
}

} // namespace diamond::io
