/// This header writes a new file that takes the place of an old one as soon as it is complete on disk, and
/// otherwise leaves no trace.
#pragma once

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

#include <diamond/core/digits_of.hpp>
#include <diamond/io/file_error.hpp>

namespace diamond::io::detail {

/// Returns the system's message for an error code.
inline std::string system_reason(int code) { return std::generic_category().message(code); }

/// Returns where a path leads after all links are followed, whether a file exists there or not.
/// @throws file_error if the path leads to something that is not a regular file, in a circle, or through a
/// folder that may not be searched.
inline std::filesystem::path end_of_links(const std::filesystem::path& path) {
    std::error_code code;
    const auto status = std::filesystem::status(path, code); // this follows links, and detects circles
    if (!std::filesystem::status_known(status))
        throw file_error{path, "cannot be written: " + code.message()};
    if (std::filesystem::is_directory(status))
        throw file_error{path, "not a regular file but a folder, it is not replaced"};
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        // A rename would replace even /dev/null.
        throw file_error{path, "not a regular file, it is not replaced"};
    auto at = path;
    while (std::filesystem::is_symlink(std::filesystem::symlink_status(at, code))) {
        const auto to = std::filesystem::read_symlink(at, code);
        if (code) throw file_error{path, "cannot be written: " + code.message()};
        at = at.parent_path() / to; // equals `to` if that is absolute
    }
    return at;
}

/// This class owns a file descriptor and closes it; -1 means none.
class descriptor {
public:
    explicit descriptor(int number) noexcept : number_{number} {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }
    explicit operator bool() const noexcept { return number_ >= 0; }
    int number() const noexcept { return number_; }
    /// Closes the descriptor and returns whether what was written has arrived, as far as closing can tell.
    bool close() noexcept { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

private:
    int number_;
};

/// Returns whether this process now holds the lock of the file and the file still has a name, so that it
/// belongs to no one else.
inline bool locks(const descriptor& file) {
    struct stat found {};
    return ::flock(file.number(), LOCK_EX | LOCK_NB) == 0 && ::fstat(file.number(), &found) == 0 &&
           found.st_nlink > 0;
}

inline constexpr std::string_view partial_mark = ".partial-"; ///< digits follow

/// Removes the files that killed writers of `target` left behind. Writers that are alive, on whatever
/// machine, hold a lock on theirs.
inline void remove_abandoned(const std::filesystem::path& target) {
    const auto prefix = target.filename().string() + std::string{partial_mark};
    std::error_code code;
    std::filesystem::directory_iterator entry{target.has_parent_path() ? target.parent_path() : ".", code},
        end;
    for (; !code && entry != end; entry.increment(code)) {
        const auto name = entry->path().filename().string();
        if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
        if (name.find_first_not_of("0123456789", prefix.size()) != name.npos) continue;
        const descriptor left{::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
        struct stat found {};
        if (!left || ::fstat(left.number(), &found) != 0 || !S_ISREG(found.st_mode) || !locks(left)) continue;
        // A writer that made this file after it was listed and before it was locked will find that it has no
        // name any more.
        ::unlink(entry->path().c_str());
    }
}

/// A replacement is a new file that is written beside an old one and then replaces it.
class replacement {
public:
    /// Makes the new file in the folder of the file that `path` leads to.
    /// @throws file_error if it cannot be made, or the old file is read-only.
    explicit replacement(const std::filesystem::path& path) : path_{path}, target_{end_of_links(path)} {
        struct stat old {};
        replaces_ = ::stat(target_.c_str(), &old) == 0;
        if (replaces_ && ::access(target_.c_str(), W_OK) != 0) fail(errno);
        remove_abandoned(target_);
        // A private file stays private while it is written. A new file gets the permissions that the umask of
        // the process leaves.
        constexpr mode_t own = S_IRUSR | S_IWUSR, all = own | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
        do {
            name_ = target_;
            name_ += std::string{partial_mark} + digits_of(std::random_device{}());
            make(replaces_ ? own : all);
        } while (!file_);
        if (!replaces_) return;
        // The owner is kept if the process may set it, otherwise the group is. The mode is set afterwards,
        // because a change of owner clears bits of it.
        if (::fchown(file_->number(), old.st_uid, old.st_gid) != 0 &&
            ::fchown(file_->number(), static_cast<uid_t>(-1), old.st_gid) != 0)
            errno = 0; // the process may set neither
        if (::fchmod(file_->number(), old.st_mode & 07777) != 0) give_up(errno);
    }
    replacement(const replacement&) = delete;
    replacement& operator=(const replacement&) = delete;
    ~replacement() {
        if (file_) ::unlink(name_.c_str());
    }

    /// Appends bytes to the new file.
    /// @throws file_error if they cannot be written; the new file is then removed.
    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            // NOLINTNEXTLINE(bugprone-unchecked-optional-access): open until commit
            const auto written = ::write(file_->number(), bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) give_up(written < 0 ? errno : ENOSPC);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    /// Makes `path` the new file, which then also survives a power failure.
    /// @throws file_error if it cannot; the new file is then removed.
    void commit() {
        // NOLINTBEGIN(bugprone-unchecked-optional-access): open until here
        // Some file systems have no fsync.
        if (::fsync(file_->number()) != 0 && errno != EINVAL && errno != ENOTSUP) give_up(errno);
        std::error_code code;
        // The lock is still held, so that no one takes the file for abandoned.
        std::filesystem::rename(name_, target_, code);
        if (code) give_up(code.value());
        const bool arrived = file_->close();
        // NOLINTEND(bugprone-unchecked-optional-access)
        file_.reset();
        if (!arrived) fail(errno);
        const descriptor folder{::open(target_.has_parent_path() ? target_.parent_path().c_str() : ".",
                                       O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        // A folder that cannot be synchronised is left as it is; the file is complete in any case.
        if (folder) ::fsync(folder.number());
    }

private:
    /// Makes the new file, or none if another process took the name or, between making and locking, the file.
    void make(mode_t mode) {
        file_.reset();
        const int number = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (number < 0 && errno == EEXIST) return;
        if (number < 0) fail(errno, "no new file can be made in its folder: ");
        file_.emplace(number);
        struct stat found {};
        // On a file system without locks no process removes abandoned files.
        const bool locked = ::flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
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
