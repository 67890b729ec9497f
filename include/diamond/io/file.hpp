/// This header reads files as bytes, with their size known beforehand, and writes files either whole or not
/// at all.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/io/detail/file_kind.hpp>
#include <diamond/io/detail/replacement.hpp>
#include <diamond/io/file_error.hpp>

namespace diamond::io {

namespace detail {

struct file_closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using file_handle = std::unique_ptr<std::FILE, file_closer>;

} // namespace detail

/// Returns the bytes of a text, for the functions that take bytes.
inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span{text.data(), text.size()});
}

/// An input_file is a regular file, or bytes in memory, that is open for reading in order. Its size is known
/// before anything is allocated for its contents.
class input_file {
public:
    /// Opens a file.
    /// @throws file_error if there is no such file, it is not a regular file, or it cannot be opened.
    explicit input_file(std::filesystem::path path) : path_{std::move(path)} {
        std::error_code code;
        const auto status = std::filesystem::status(path_, code);
        if (status.type() == std::filesystem::file_type::not_found)
            fail(std::filesystem::is_symlink(std::filesystem::symlink_status(path_, code))
                     ? "no such file: a link that leads nowhere"
                     : "no such file");
        if (!std::filesystem::status_known(status)) fail(code.message());
        if (!std::filesystem::is_regular_file(status)) fail("not a regular file");
        file_.reset(std::fopen(path_.string().c_str(), "rb"));
        if (!file_) fail("cannot be opened: " + detail::system_reason(errno));
        size_ = remaining_ = std::filesystem::file_size(path_, code);
        if (code) fail("its size cannot be told: " + code.message());
    }

    /// Reads from bytes in memory, which must outlive this object; `name` stands for the path in errors.
    input_file(std::filesystem::path name, std::span<const std::byte> bytes)
        : path_{std::move(name)}, memory_{bytes}, size_{bytes.size()}, remaining_{bytes.size()} {}

    /// Returns the path, or the name given for bytes in memory.
    const std::filesystem::path& path() const noexcept { return path_; }
    /// Returns the number of bytes of the file.
    std::uintmax_t size() const noexcept { return size_; }
    /// Returns how many bytes have not been read yet.
    std::uintmax_t remaining() const noexcept { return remaining_; }

    /// Checks that at least this many bytes are left, so that memory for them may be allocated.
    /// @throws file_error if fewer are left; `what` names the bytes in the message.
    void expect(std::uintmax_t bytes, std::string_view what) const {
        if (bytes > remaining_) fail_short(bytes, what);
    }

    /// Reads the next target.size() bytes into `target`.
    /// @throws file_error if fewer bytes are left; `what` names them in the message.
    void read(std::span<std::byte> target, std::string_view what) {
        expect(target.size(), what);
        if (take(target) != target.size()) fail_short(target.size(), what);
        remaining_ -= target.size();
    }

    /// Moves to byte `at` of the file, 0 <= at <= size().
    /// @throws file_error if the system cannot.
    void seek(std::uintmax_t at) {
        if (at == size_ - remaining_) return;
        if (file_ && ::fseeko(file_.get(), static_cast<off_t>(at), SEEK_SET) != 0)
            fail(detail::system_reason(errno));
        remaining_ = size_ - at;
    }

    /// Refuses the file for this reason.
    /// @throws file_error always.
    [[noreturn]] void fail(const std::string& reason) const { throw file_error{path_, reason}; }

    /// Refuses a file that is of another kind than expected. `unexpected` says what it is not ("not an npy
    /// file"), and the message adds what the file is according to its first bytes. If that is unknown, or
    /// begins with `but_for`, the message is `reason`.
    /// @throws file_error always.
    [[noreturn]] void fail_as_other(std::string_view unexpected, const std::string& reason,
                                    std::string_view but_for = "no kind") {
        seek(0);
        std::string start(static_cast<std::size_t>(std::min<std::uintmax_t>(size_, detail::file_kind_bytes)),
                          '\0');
        read(std::as_writable_bytes(std::span{start}), "its start");
        const auto kind = detail::kind_of(start, size_);
        fail(kind.empty() || kind.starts_with(but_for) ? reason : std::string{unexpected} + " but " + kind);
    }

private:
    std::size_t take(std::span<std::byte> target) {
        if (file_) return std::fread(target.data(), 1, target.size(), file_.get());
        std::ranges::copy(memory_.last(static_cast<std::size_t>(remaining_)).first(target.size()),
                          target.begin());
        return target.size();
    }

    [[noreturn]] void fail_short(std::uintmax_t bytes, std::string_view what) const {
        fail("truncated: " + std::string{what} + " takes " + digits_of(bytes) + " bytes, " +
             digits_of(remaining_) + " are left");
    }

    std::filesystem::path path_;
    detail::file_handle file_;
    std::span<const std::byte> memory_;
    std::uintmax_t size_ = 0;
    std::uintmax_t remaining_ = 0;
};

/// Returns the whole file as text.
/// @throws file_error if it cannot be read or holds more than `max_bytes`.
inline std::string read_text(const std::filesystem::path& path, std::uintmax_t max_bytes) {
    input_file file{path};
    if (file.size() > max_bytes)
        file.fail("too large: " + digits_of(file.size()) + " bytes, at most " + digits_of(max_bytes) +
                  " are read");
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the text");
    return text;
}

/// Writes the parts one after the other to a new file, which then takes the place of `path`. Whoever reads
/// `path` sees either the old contents or the new ones, never a part, even after a kill or a power failure.
/// The folder must exist. A symbolic link stays, and the file that it leads to is replaced. The mode is kept,
/// and so are owner or group where this process may set them. Another name of the file (a hard link) keeps
/// the old contents. Files `<name>.partial-<digits>` that killed writers of this file left behind are
/// removed.
/// @throws file_error if the folder is missing or read-only, `path` leads to something that is read-only or
/// not a regular file, or writing fails (for instance because the disk is full); `path` is then unchanged.
inline void write_atomically(const std::filesystem::path& path,
                             std::span<const std::span<const std::byte>> parts) {
    detail::replacement file{path};
    for (const auto part : parts) file.write(part);
    file.commit();
}

/// Checks that `path` can be written, so that hours of work are not lost at their end.
/// @throws file_error where write_atomically would throw, except for a full disk.
inline void require_writable(const std::filesystem::path& path) { const detail::replacement tried{path}; }

/// Writes a list of parts; everything else is as in the function that takes a span of parts.
inline void write_atomically(const std::filesystem::path& path,
                             std::initializer_list<std::span<const std::byte>> parts) {
    write_atomically(path, std::span{parts.begin(), parts.size()});
}

} // namespace diamond::io
