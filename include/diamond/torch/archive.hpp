/// A TorchScript file is a zip archive, whose directory has a checksum of each part. libtorch does not
/// compare them: a weight of which a disk has changed a bit would be read as another number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <caffe2/serialize/inline_container.h>

#include <diamond/core/crc32.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

/// Reads the checksums of an archive's directory. @throws std::runtime_error where it has none.
class archive_directory {
public:
    explicit archive_directory(const std::filesystem::path& file)
        : in_(file, std::ios::binary), size_(std::filesystem::file_size(file)) {
        // The last record has the extents of the directory, in 32 bits, or else in one that is before it.
        const auto end = read(at_end(end_size), end_size);
        require_mark(end, 0x06054b50);
        std::uint64_t bytes = number<std::uint32_t>(end, 12), begin = number<std::uint32_t>(end, 16);
        if (begin == 0xffffffff || bytes == 0xffffffff) {
            const auto locator = read(at_end(end_size + locator_size), locator_size);
            require_mark(locator, 0x07064b50);
            const auto wide = read(number<std::uint64_t>(locator, 8), wide_end_size);
            require_mark(wide, 0x06064b50);
            bytes = number<std::uint64_t>(wide, 40);
            begin = number<std::uint64_t>(wide, 48);
        }
        const auto all = read(begin, bytes);
        for (std::size_t at = 0; at < all.size();) {
            const auto entry = part(all, at, entry_size);
            require_mark(entry, 0x02014b50);
            const std::size_t name = number<std::uint16_t>(entry, 28);
            const auto text = part(all, at + entry_size, name);
            sums_[{reinterpret_cast<const char*>(text.data()), text.size()}] = number<std::uint32_t>(entry,
                                                                                                     16);
            at += entry_size + name + number<std::uint16_t>(entry, 30) + number<std::uint16_t>(entry, 32);
        }
    }
    /// The checksums, by the names of the parts, which begin with the archive's own.
    [[nodiscard]] const std::map<std::string, std::uint32_t>& checksums() const { return sums_; }

private:
    using bytes_view = std::span<const std::byte>;
    static constexpr std::size_t end_size = 22, locator_size = 20, wide_end_size = 56, entry_size = 46;

    static void demand(bool holds) {
        if (!holds) throw std::runtime_error("the directory of the archive is not readable");
    }
    [[nodiscard]] std::uint64_t at_end(std::size_t bytes) const {
        demand(size_ >= bytes);
        return size_ - bytes;
    }
    std::vector<std::byte> read(std::uint64_t begin, std::uint64_t bytes) {
        demand(begin <= size_ && bytes <= size_ - begin);
        std::vector<std::byte> result(static_cast<std::size_t>(bytes));
        in_.seekg(static_cast<std::streamoff>(begin));
        in_.read(reinterpret_cast<char*>(result.data()), static_cast<std::streamsize>(bytes));
        demand(static_cast<bool>(in_));
        return result;
    }
    static bytes_view part(bytes_view all, std::size_t begin, std::size_t bytes) {
        demand(begin <= all.size() && bytes <= all.size() - begin);
        return all.subspan(begin, bytes);
    }
    template <class Number>
    static Number number(bytes_view from, std::size_t begin) {
        Number result;
        std::memcpy(&result, part(from, begin, sizeof result).data(), sizeof result);
        return result;
    }
    static void require_mark(bytes_view record, std::uint32_t mark) {
        demand(number<std::uint32_t>(record, 0) == mark);
    }

    std::ifstream in_;
    std::uint64_t size_;
    std::map<std::string, std::uint32_t> sums_;
};

/// Compares each part of a file that libtorch reads with its checksum. @throws std::runtime_error with the
/// name of a part that differs.
inline void check_archive(const std::filesystem::path& file) {
    const archive_directory directory(file);
    std::map<std::string, std::uint32_t> sums;
    for (const auto& [name, sum] : directory.checksums()) sums[name.substr(name.find('/') + 1)] = sum;
    caffe2::serialize::PyTorchStreamReader reader(file.string());
    for (const auto& name : reader.getAllRecords()) {
        const auto [data, bytes] = reader.getRecord(name);
        crc32<0xedb88320> sum; // the polynomial of zip
        sum.add({static_cast<const std::byte*>(data.get()), bytes});
        const auto said = sums.find(name);
        if (said == sums.end() || said->second != sum.value())
            throw std::runtime_error("spoilt, since the checksum of its part '" + name +
                                     "' is not that of its bytes");
    }
}

} // namespace diamond::detail
