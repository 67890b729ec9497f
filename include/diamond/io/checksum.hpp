// A checksum of what a tensor file holds, kept in its own metadata: what a disk or a copy spoilt is refused, though it may still read as numbers.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/tensor.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace diamond::io {

/// CRC-32C (Castagnoli, as iSCSI and ext4 have it) of bytes added one after the other: finds every change within 32 neighbouring bits, of others all
/// but one in 2^32. Not against intent.
class crc32c {
public:
    void add(std::span<const std::byte> bytes) noexcept {
        constexpr std::size_t word = sizeof(std::uint64_t);
        for (; bytes.size() >= word; bytes = bytes.subspan(word)) {
            std::uint64_t next;
            std::memcpy(&next, bytes.data(), word);
            next ^= state_;
            state_ = 0;
            for (std::size_t i = 0; i < word; ++i) state_ ^= tables[word - 1 - i][next >> 8 * i & 0xff];
        }
        for (const auto byte : bytes) state_ = state_ >> 8 ^ tables[0][(state_ ^ static_cast<std::uint32_t>(byte)) & 0xff];
    }
    [[nodiscard]] std::uint32_t value() const noexcept { return ~state_; }

private:
    static_assert(std::endian::native == std::endian::little, "the eight tables are for words whose first byte is the lowest");

    /// tables[k][b]: what byte b does to the checksum k bytes later; eight at a time are several times as fast as one.
    static constexpr auto tables = [] {
        constexpr std::uint32_t polynomial = 0x82f63b78; // Castagnoli's, lowest bit first
        std::array<std::array<std::uint32_t, 256>, 8> t{};
        for (std::uint32_t b = 0; b < 256; ++b) {
            t[0][b] = b;
            for (int bit = 0; bit < 8; ++bit) t[0][b] = t[0][b] >> 1 ^ (t[0][b] & 1 ? polynomial : 0);
        }
        for (std::size_t k = 1; k < t.size(); ++k)
            for (std::size_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 0xff];
        return t;
    }();

    std::uint32_t state_ = 0xffffffff;
};

/// The metadata's entry that holds the checksum.
inline constexpr const char* checksum_key  = "checksum";
inline constexpr const char* checksum_name = "crc32c "; ///< what it begins with

/// "crc32c 0123abcd": of all metadata but the checksum's own, and of all names, types, shapes and bytes of tensors.
[[nodiscard]] inline std::string checksum_of(const tensor_file& file) {
    crc32c sum;
    const auto add_number = [&](std::uint64_t number) { sum.add(std::as_bytes(std::span{&number, 1})); };
    const auto add_text   = [&](std::string_view text) { // with its length, so that no text can pass for two
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

/// Writes the checksum into the metadata. Readers compare it, and write_safetensors renews it, so that a file may be read, changed and written.
inline void put_checksum(tensor_file& file) { file.metadata[checksum_key] = checksum_of(file); }

/// Whether there is one of ours: older files have none, other programs' entry may mean something else.
[[nodiscard]] inline bool has_checksum(const std::map<std::string, std::string>& metadata) {
    const auto found = metadata.find(checksum_key);
    return found != metadata.end() && found->second.starts_with(checksum_name);
}

/// @throws file_error where the file has a checksum and it is another than its contents'.
inline void check_checksum(const tensor_file& file) {
    if (!has_checksum(file.metadata)) return;
    const auto& said = file.metadata.at(checksum_key);
    if (const auto expected = checksum_of(file); said != expected)
        throw file_error{file.path, "spoilt, or changed since it was written: its checksum is '" + said + "', its contents give '" + expected +
                                        "'; who changed it on purpose removes the metadata's entry '" + checksum_key + "'"};
}

} // namespace diamond::io
