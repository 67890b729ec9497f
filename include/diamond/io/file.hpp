// Files as bytes: read with the size known beforehand, written whole or not at all.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/detail/file_kind.hpp>
#include <diamond/io/detail/replacement.hpp>
#include <diamond/io/file_error.hpp>

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

namespace diamond::io {

namespace detail {

struct file_closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using file_handle = std::unique_ptr<std::FILE, file_closer>;

} // namespace detail

/// The bytes of a text, for the functions that take bytes.
inline std::span<const std::byte> bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span{text.data(), text.size()}); }

/// A regular file open for reading in order, which knows its size before anything is allocated for it.
class input_file {
public:
    /// @throws file_error when there is no such file, it is no regular file, or it cannot be opened.
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

    /// The same of bytes in memory, which must outlive this; `name` is the path in errors.
    input_file(std::filesystem::path name, std::span<const std::byte> bytes)
        : path_{std::move(name)}, memory_{bytes}, size_{bytes.size()}, remaining_{bytes.size()} {}

    const std::filesystem::path& path() const noexcept { return path_; }
    std::uintmax_t size() const noexcept { return size_; }
    std::uintmax_t remaining() const noexcept { return remaining_; }

    /// For use before memory is taken for what comes next. @throws file_error when fewer bytes are left; `what` names them in the reason.
    void expect(std::uintmax_t bytes, std::string_view what) const {
        if (bytes > remaining_) fail_short(bytes, what);
    }

    /// Reads the next bytes into `target`, all of them.
    /// @throws file_error when fewer are left; `what` names them in the reason.
    void read(std::span<std::byte> target, std::string_view what) {
        expect(target.size(), what);
        if (take(target) != target.size()) fail_short(target.size(), what);
        remaining_ -= target.size();
    }

    /// Goes on at this byte of the file, at most its size.
    void seek(std::uintmax_t at) {
        if (at == size_ - remaining_) return;
        if (file_ && ::fseeko(file_.get(), static_cast<off_t>(at), SEEK_SET) != 0) fail(detail::system_reason(errno));
        remaining_ = size_ - at;
    }

    [[noreturn]] void fail(const std::string& reason) const { throw file_error{path_, reason}; }

    /// Where the file is not what was expected, "not an npy file": the error names what it is by its start, or has
    /// this reason where that is unknown or begins with `but_for`.
    [[noreturn]] void fail_as_other(std::string_view unexpected, const std::string& reason,
                                    std::string_view but_for = "no kind") {
        seek(0);
        std::string start(static_cast<std::size_t>(std::min<std::uintmax_t>(size_, detail::file_kind_bytes)), '\0');
        read(std::as_writable_bytes(std::span{start}), "its start");
        const auto kind = detail::kind_of(start, size_);
        fail(kind.empty() || kind.starts_with(but_for) ? reason : std::string{unexpected} + " but " + kind);
    }

private:
    std::size_t take(std::span<std::byte> target) {
        if (file_) return std::fread(target.data(), 1, target.size(), file_.get());
        std::ranges::copy(memory_.last(static_cast<std::size_t>(remaining_)).first(target.size()), target.begin());
        return target.size();
    }

    [[noreturn]] void fail_short(std::uintmax_t bytes, std::string_view what) const {
        fail("truncated: " + std::string{what} + " takes " + digits_of(bytes) + " bytes, " + digits_of(remaining_) + " are left");
    }

    std::filesystem::path path_;
    detail::file_handle file_;
    std::span<const std::byte> memory_;
    std::uintmax_t size_      = 0;
    std::uintmax_t remaining_ = 0;
};

/// The whole file as text. @throws file_error when it cannot be read or holds more than `max_bytes`.
inline std::string read_text(const std::filesystem::path& path, std::uintmax_t max_bytes) {
    input_file file{path};
    if (file.size() > max_bytes)
        file.fail("too large: " + digits_of(file.size()) + " bytes, at most " + digits_of(max_bytes) + " are read");
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    file.read(std::as_writable_bytes(std::span{text}), "the text");
    return text;
}

/// Writes the parts one after the other to a new file that then takes the place of `path`: whoever reads `path` sees
/// the old contents or the new, never a part, after a kill or a power cut, too. The folder must exist. A link stays,
/// and the file that it leads to is replaced; mode, and owner or group where this process may give them, are kept;
/// another name of the file (a hard link) keeps the old contents. What killed writers of this file left,
/// `<name>.partial-<digits>`, is removed.
/// @throws file_error when the folder is missing or read-only, `path` leads to what is no regular file or read-only,
/// or writing fails (a full disk); `path` is then as it was.
inline void write_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
    detail::replacement file{path};
    for (const auto part : parts) file.write(part);
    file.commit();
}

/// For use before hours of work whose result goes to `path`.
/// @throws file_error where write_atomically would, a full disk aside.
inline void require_writable(const std::filesystem::path& path) { const detail::replacement tried{path}; }

inline void write_atomically(const std::filesystem::path& path, std::initializer_list<std::span<const std::byte>> parts) {
    write_atomically(path, std::span{parts.begin(), parts.size()});
}

} // namespace diamond::io
