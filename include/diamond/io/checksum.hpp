/// This header computes a checksum of what a tensor file holds and keeps it in the metadata of that file.
/// With it, a file that a disk or a copy has damaged is refused even though it still reads as numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include <diamond/core/crc32.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/io/tensor.hpp>

namespace diamond::io {

/// This class computes the CRC-32C checksum of bytes, by the Castagnoli polynomial, which iSCSI and ext4 use.
using crc32c = crc32<0x82f63b78>;

/// The metadata entry with this key holds the checksum.
inline constexpr const char* checksum_key = "checksum";
inline constexpr const char* checksum_name = "crc32c "; ///< the text with which that entry begins

/// Returns the checksum as text, for instance "crc32c 0123abcd". It covers all metadata except the checksum
/// entry itself, and names, types, shapes and bytes of all tensors.
[[nodiscard]] inline std::string checksum_of(const tensor_file& file) {
    crc32c sum;
    const auto add_number = [&](std::uint64_t number) { sum.add(std::as_bytes(std::span{&number, 1})); };
    // The length is added too, so that no text can be taken for two.
    const auto add_text = [&](std::string_view text) {
        add_number(text.size());
        sum.add(std::as_bytes(std::span{text.data(), text.size()}));
    };
    for (const auto& [key, text] : file.metadata) {
        if (key == checksum_key) continue;
        add_text(key);
        add_text(text);
    }
    for (const auto& [name, tensor] : file.tensors) {
        add_text(name);
        add_text(to_string(tensor.type));
        add_number(tensor.shape.size());
        sum.add(std::as_bytes(std::span{tensor.shape}));
        sum.add(tensor.bytes);
    }
    std::string text = checksum_name;
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[sum.value() >> shift & 0xf];
    return text;
}

/// Writes the checksum into the metadata. Readers compare it, and write_safetensors renews it, so that a file
/// may be read, changed and written again.
inline void put_checksum(tensor_file& file) { file.metadata[checksum_key] = checksum_of(file); }

/// Returns whether the metadata hold a checksum of this library. Older files have none, and an entry of the
/// same name that another program wrote may mean something else.
[[nodiscard]] inline bool has_checksum(const std::map<std::string, std::string>& metadata) {
    const auto found = metadata.find(checksum_key);
    return found != metadata.end() && found->second.starts_with(checksum_name);
}

/// Compares the checksum that a file states with that of its contents. A file without a checksum passes.
/// @throws file_error if the two differ.
inline void check_checksum(const tensor_file& file) {
    if (!has_checksum(file.metadata)) return;
    const auto& said = file.metadata.at(checksum_key);
    if (const auto expected = checksum_of(file); said != expected)
        throw file_error{file.path, "spoilt, or changed since it was written: its checksum is '" + said +
                                        "', its contents give '" + expected +
                                        "'; who changed it on purpose removes the metadata's entry '" +
                                        checksum_key + "'"};
}

} // namespace diamond::io
