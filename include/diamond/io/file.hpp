// Files as bytes: read with the size known beforehand, written whole or not at all.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file_error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <random>
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

inline std::string system_reason(int code) { return std::generic_category().message(code); }

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
        if (status.type() == std::filesystem::file_type::not_found) fail("no such file");
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

    [[noreturn]] void fail(const std::string& reason) const { throw file_error{path_, reason}; }

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
/// the old contents or the new, never a part. The folder must exist.
/// @throws file_error when the folder is missing, `path` is there but no regular file, or writing fails; `path` is
/// then as it was.
inline void write_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
    std::error_code code;
    const auto status = std::filesystem::status(path, code);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        throw file_error{path, "not a regular file, it is not replaced"}; // a rename would replace even /dev/null

    auto temporary = path;
    temporary += ".partial-" + digits_of(std::random_device{}());
    detail::file_handle file{std::fopen(temporary.string().c_str(), "wbx")}; // x: never somebody else's file
    if (!file) throw file_error{path, "cannot be written: " + detail::system_reason(errno)};

    const auto give_up = [&](const std::string& reason) {
        file.reset();
        std::filesystem::remove(temporary, code);
        throw file_error{path, "cannot be written: " + reason};
    };
    for (const auto part : parts)
        if (!part.empty() && std::fwrite(part.data(), 1, part.size(), file.get()) != part.size()) give_up(detail::system_reason(errno));
    if (std::fclose(file.release()) != 0) give_up(detail::system_reason(errno)); // the last bytes leave the buffer here
    std::filesystem::rename(temporary, path, code);
    if (code) give_up(code.message());
}

inline void write_atomically(const std::filesystem::path& path, std::initializer_list<std::span<const std::byte>> parts) {
    write_atomically(path, std::span{parts.begin(), parts.size()});
}

} // namespace diamond::io
