/// Cyclic checksums of 32 bits, by which a reader sees that a disk or a copy has changed bytes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace diamond {

/// This class computes the checksum of a polynomial, given lowest bit first, of bytes that are added one
/// after the other. It detects every change within 32 neighbouring bits, and of other changes all but one in
/// 2^32. It does not protect against intent.
template <std::uint32_t Polynomial>
class crc32 {
public:
    /// Adds these bytes to those before.
    void add(std::span<const std::byte> bytes) noexcept {
        constexpr std::size_t word = sizeof(std::uint64_t);
        for (; bytes.size() >= word; bytes = bytes.subspan(word)) {
            std::uint64_t next;
            std::memcpy(&next, bytes.data(), word);
            next ^= state_;
            state_ = 0;
            for (std::size_t i = 0; i < word; ++i) state_ ^= tables[word - 1 - i][next >> 8 * i & 0xff];
        }
        for (const auto byte : bytes)
            state_ = state_ >> 8 ^ tables[0][(state_ ^ static_cast<std::uint32_t>(byte)) & 0xff];
    }
    /// Returns the checksum of all bytes added so far.
    [[nodiscard]] std::uint32_t value() const noexcept { return ~state_; }

private:
    static_assert(std::endian::native == std::endian::little,
                  "the eight tables are for words whose first byte is the lowest");

    /// tables[k][b] is what byte b contributes to the checksum k bytes later. Taking eight bytes at a time is
    /// several times as fast as taking one.
    static constexpr auto tables = [] {
        std::array<std::array<std::uint32_t, 256>, 8> t{};
        for (std::uint32_t b = 0; b < 256; ++b) {
            t[0][b] = b;
            for (int bit = 0; bit < 8; ++bit) t[0][b] = t[0][b] >> 1 ^ (t[0][b] & 1 ? Polynomial : 0);
        }
        for (std::size_t k = 1; k < t.size(); ++k)
            for (std::size_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 0xff];
        return t;
    }();

    std::uint32_t state_ = 0xffffffff;
};

} // namespace diamond
