// A new file that takes the place of an old one when all of it is on disc, or leaves no trace.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file_error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace diamond::io::detail {

inline std::string system_reason(int code) { return std::generic_category().message(code); }

/// Where a path leads when links are followed to their end, whether a file is there or not yet.
/// @throws file_error when it leads to what is no regular file, in a circle, or where it may not be looked.
inline std::filesystem::path end_of_links(const std::filesystem::path& path) {
    std::error_code code;
    const auto status = std::filesystem::status(path, code); // which follows links, and finds circles
    if (!std::filesystem::status_known(status)) throw file_error{path, "cannot be written: " + code.message()};
    if (std::filesystem::is_directory(status)) throw file_error{path, "not a regular file but a folder, it is not replaced"};
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        throw file_error{path, "not a regular file, it is not replaced"}; // a rename would replace even /dev/null
    auto at = path;
    while (std::filesystem::is_symlink(std::filesystem::symlink_status(at, code))) {
        const auto to = std::filesystem::read_symlink(at, code);
        if (code) throw file_error{path, "cannot be written: " + code.message()};
        at = at.parent_path() / to; // `to` itself where it is absolute
    }
    return at;
}

/// A file descriptor that is closed; -1: none.
class descriptor {
public:
    explicit descriptor(int number) noexcept : number_{number} {}
    descriptor(const descriptor&)            = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }
    explicit operator bool() const noexcept { return number_ >= 0; }
    int number() const noexcept { return number_; }
    /// Whether what was written arrived, as far as closing can tell.
    bool close() noexcept { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

private:
    int number_;
};

/// Whether this process holds the file's lock now and it still has a name: it is then nobody else's.
inline bool locks(const descriptor& file) {
    struct stat found {};
    return ::flock(file.number(), LOCK_EX | LOCK_NB) == 0 && ::fstat(file.number(), &found) == 0 && found.st_nlink > 0;
}

inline constexpr std::string_view partial_mark = ".partial-"; ///< then digits alone

/// Removes what writers of `target` left that were killed: those alive hold a lock on theirs, on whatever machine.
inline void remove_abandoned(const std::filesystem::path& target) {
    const auto prefix = target.filename().string() + std::string{partial_mark};
    std::error_code code;
    std::filesystem::directory_iterator entry{target.has_parent_path() ? target.parent_path() : ".", code}, end;
    for (; !code && entry != end; entry.increment(code)) {
        const auto name = entry->path().filename().string();
        if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
        if (name.find_first_not_of("0123456789", prefix.size()) != name.npos) continue;
        const descriptor left{::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
        struct stat found {};
        if (!left || ::fstat(left.number(), &found) != 0 || !S_ISREG(found.st_mode) || !locks(left)) continue;
        ::unlink(entry->path().c_str()); // whoever made it between our look and our lock sees that it has no name any more
    }
}

class replacement {
public:
    /// Makes the file beside what `path` leads to. @throws file_error when it cannot be, or what is there is read-only.
    explicit replacement(const std::filesystem::path& path) : path_{path}, target_{end_of_links(path)} {
        struct stat old {};
        replaces_ = ::stat(target_.c_str(), &old) == 0;
        if (replaces_ && ::access(target_.c_str(), W_OK) != 0) fail(errno);
        remove_abandoned(target_);
        // A private file stays private while it is written; a new one gets what the process' mask leaves.
        constexpr mode_t own = S_IRUSR | S_IWUSR, all = own | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
        do {
            name_ = target_;
            name_ += std::string{partial_mark} + digits_of(std::random_device{}());
            make(replaces_ ? own : all);
        } while (!file_);
        if (!replaces_) return;
        // The owner is kept where we may, else the group; the mode comes after, for a change of owner clears bits of it.
        if (::fchown(file_->number(), old.st_uid, old.st_gid) != 0 && ::fchown(file_->number(), static_cast<uid_t>(-1), old.st_gid) != 0)
            errno = 0; // neither is ours to give
        if (::fchmod(file_->number(), old.st_mode & 07777) != 0) give_up(errno);
    }
    replacement(const replacement&)            = delete;
    replacement& operator=(const replacement&) = delete;
    ~replacement() {
        if (file_) ::unlink(name_.c_str());
    }

    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto written = ::write(file_->number(), bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) give_up(written < 0 ? errno : ENOSPC);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    /// From here on `path` is the new file, through a power cut, too.
    void commit() {
        if (::fsync(file_->number()) != 0 && errno != EINVAL && errno != ENOTSUP) give_up(errno); // some file systems know no fsync
        std::error_code code;
        std::filesystem::rename(name_, target_, code); // while the lock is held: nobody takes the file for abandoned
        if (code) give_up(code.value());
        const bool arrived = file_->close();
        file_.reset();
        if (!arrived) fail(errno);
        const descriptor folder{::open(target_.has_parent_path() ? target_.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (folder) ::fsync(folder.number()); // one that cannot be synchronised, cannot; the file is whole either way
    }

private:
    /// None where somebody took the name or, between making and locking, the file.
    void make(mode_t mode) {
        file_.reset();
        const int number = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (number < 0 && errno == EEXIST) return;
        if (number < 0) fail(errno, "no new file can be made in its folder: ");
        file_.emplace(number);
        struct stat found {};
        const bool locked = ::flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; // a file system without locks has no sweepers
        if (!locked || (::fstat(number, &found) == 0 && found.st_nlink == 0)) file_.reset();
    }

    [[noreturn]] void fail(int code, const std::string& where = {}) const {
        const auto through = target_ == path_ ? "" : " (it is a link to " + target_.string() + ")";
        throw file_error{path_, "cannot be written: " + where + system_reason(code) + through};
    }
    [[noreturn]] void give_up(int code) {
        ::unlink(name_.c_str());
        file_.reset();
        fail(code);
    }

    const std::filesystem::path& path_;
    std::filesystem::path target_, name_;
    bool replaces_ = false;
    std::optional<descriptor> file_;
};

} // namespace diamond::io::detail
