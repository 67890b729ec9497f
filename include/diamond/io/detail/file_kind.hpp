/// This header recognises files by their first bytes, for errors that name a pointer file, a web page or a
/// pickle where tensors are expected.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diamond::io::detail {

/// Only this many bytes at the beginning of a file are examined.
inline constexpr std::size_t file_kind_bytes = 512;

/// A signature says that files of a kind have these bytes at this place.
struct file_signature {
    std::size_t at;
    std::string_view bytes, name;
};

using namespace std::string_view_literals;

/// This table lists the formats that have bytes of their own. The first entry that matches decides.
inline constexpr std::array file_signatures{
    file_signature{0, "version https://git-lfs.github.com/spec/"sv,
                   "a git-lfs pointer: `git lfs pull` fetches the file that it stands for"sv},
    file_signature{0, "version https://hawser.github.com/spec/"sv,
                   "a git-lfs pointer: `git lfs pull` fetches the file that it stands for"sv},
    file_signature{0, "/annex/objects/"sv,
                   "a git-annex pointer: `git annex get` fetches the file that it stands for"sv},
    file_signature{0, "# xet version"sv, "a git-xet pointer, which stands for a file to be fetched"sv},
    file_signature{0, "\x93NUMPY"sv, "a numpy array (npy)"sv},
    file_signature{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (Keras .h5, MATLAB 7.3)"sv},
    file_signature{0, "MATLAB 7.3 MAT-file"sv, "a MATLAB file, in HDF5"sv},
    file_signature{0, "MATLAB 5.0 MAT-file"sv, "a MATLAB file"sv},
    file_signature{0, "CDF\x01"sv, "a netCDF file"sv},
    file_signature{0, "CDF\x02"sv, "a netCDF file"sv},
    file_signature{0, "\x1f\x8b"sv, "compressed by gzip: gunzip it first"sv},
    file_signature{0, "BZh"sv, "compressed by bzip2: bunzip2 it first"sv},
    file_signature{0,
                   "\xfd"
                   "7zXZ\0"sv,
                   "compressed by xz: unxz it first"sv},
    file_signature{0, "\x28\xb5\x2f\xfd"sv, "compressed by zstd: unzstd it first"sv},
    file_signature{0, "\x04\x22\x4d\x18"sv, "compressed by lz4: unlz4 it first"sv},
    file_signature{0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive"sv},
    file_signature{0, "Rar!\x1a\x07"sv, "a RAR archive"sv},
    file_signature{257, "ustar"sv, "a tar archive"sv},
    file_signature{0, "GGUF"sv, "a GGUF model (llama.cpp)"sv},
    file_signature{4, "TFL3"sv, "a TensorFlow Lite model"sv},
    file_signature{0, "PAR1"sv, "a Parquet table"sv},
    file_signature{0, "ARROW1"sv, "an Arrow table"sv},
    file_signature{0, "SQLite format 3"sv, "an SQLite database"sv},
    file_signature{0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture"sv},
    file_signature{0, "\xff\xd8\xff"sv, "a JPEG picture"sv},
    file_signature{0, "GIF8"sv, "a GIF picture"sv},
    file_signature{8, "WEBP"sv, "a WebP picture"sv},
    file_signature{0, "II*\0"sv, "a TIFF picture"sv},
    file_signature{0, "MM\0*"sv, "a TIFF picture"sv},
    file_signature{0, "%PDF-"sv, "a PDF document"sv},
    file_signature{0,
                   "\x7f"
                   "ELF"sv,
                   "a program or library (ELF)"sv},
};

/// Returns whether a safetensors file may begin like this, with a length that the format allows and an
/// object.
inline bool starts_like_safetensors(std::string_view start) {
    constexpr std::size_t length_bytes = 8, zeros_from = 4; // lengths are below 2^27
    if (start.size() <= length_bytes || start.substr(zeros_from, length_bytes - zeros_from) != "\0\0\0\0"sv)
        return false;
    const auto first = start.find_first_not_of(" \t\r\n", length_bytes);
    return first != start.npos && start[first] == '{';
}

/// Returns whether all of it is text in UTF-8, except that the last character may be cut off.
inline bool reads_as_text(std::string_view start) {
    for (std::size_t at = 0; at < start.size();) {
        const auto byte = static_cast<unsigned char>(start[at]);
        if (byte < 0x20 ? std::string_view{"\t\n\r\f"}.find(start[at]) == std::string_view::npos
                        : byte == 0x7f)
            return false;
        // A lead byte 110..., 1110... or 11110... says how many bytes follow.
        const int more = byte < 0x80 ? 0 : std::countl_one(byte) - 1;
        if (byte >= 0x80 && (more < 1 || more > 3)) return false;
        ++at;
        for (int i = 0; i < more && at < start.size(); ++i, ++at)
            if ((static_cast<unsigned char>(start[at]) & 0xc0) != 0x80) return false;
    }
    return !start.empty();
}

/// Returns the kind of a zip archive, recognised by the name of its first entry.
inline std::string_view kind_of_zip(std::string_view start) {
    constexpr std::size_t name_length_at = 26, name_at = 30;
    if (start.size() < name_at) return "a zip archive";
    const auto low = static_cast<unsigned char>(start[name_length_at]),
               high = static_cast<unsigned char>(start[name_length_at + 1]);
    const auto name = start.substr(name_at, static_cast<std::size_t>(low + 256 * high));
    if (name.ends_with(".npy"))
        return "a zip archive of numpy arrays (npz): unzip it, or write single arrays";
    // The first entry of a PyTorch file is <name>/data.pkl. Some files store its length behind the data, so
    // the name is searched.
    if (start.find("data.pkl") != start.npos || start.find("/version") != start.npos ||
        start.find(".data/") != start.npos)
        return "a Python pickle in a zip archive, as torch.save writes it: save its tensors by "
               "safetensors.torch.save_file";
    return "a zip archive";
}

/// Returns what a file of `size` bytes is, for instance "a PNG picture", where `start` holds its first
/// file_kind_bytes. The text is empty if nothing is known.
inline std::string kind_of(std::string_view start, std::uintmax_t size) {
    if (size == 0) return "an empty file";
    for (const auto& row : file_signatures)
        if (start.size() >= row.at && start.substr(row.at).starts_with(row.bytes))
            return std::string{row.name};
    if (start.starts_with("PK\3\4") || start.starts_with("PK\5\6")) return std::string{kind_of_zip(start)};
    const auto byte = [&](std::size_t at) {
        return at < start.size() ? static_cast<unsigned char>(start[at]) : 0u;
    };
    if (byte(0) == 0x80 && byte(1) >= 2 && byte(1) <= 5) // the opcode PROTO
        return "a Python pickle, which may run code when it is loaded: save its tensors by safetensors or "
               "numpy.save";
    if (starts_like_safetensors(start)) return "a safetensors file";
    if (byte(0) == 0x08 && byte(1) >= 1 && byte(1) < 0x20 && (byte(2) & 7) == 2 && byte(2) >= 0x12 &&
        byte(2) <= 0x42)
        return "a protobuf message, as ONNX models are"; // ir_version, followed by a field with a length
    constexpr std::size_t least_zeros = 16;
    if (start.size() >= least_zeros && start.find_first_not_of('\0') == start.npos)
        return "nothing but zero bytes, at its start at least";
    if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) return "a text in UTF-16";

    auto text = start;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3); // a byte order mark
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\f"), text.size()));
    if (!reads_as_text(text)) return {};
    if (text.starts_with('<')) {
        std::string lower{text};
        std::ranges::transform(lower, lower.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        const bool page = lower.find("<!doctype html") != lower.npos || lower.find("<html") != lower.npos;
        return page ? "a web page (HTML), as a failed download leaves it"
                    : "XML or HTML, as a failed download leaves it";
    }
    if (text.starts_with('{') || text.starts_with('[')) return "a text in JSON";
    constexpr std::size_t shown = 40;
    std::string line{text.substr(0, std::min(text.find_first_of("\r\n"), shown))};
    std::ranges::replace_if(
        line, [](char c) { return c < ' ' || c > '~'; }, '?');
    return "a text that begins with '" + line + "'";
}

} // namespace diamond::io::detail
