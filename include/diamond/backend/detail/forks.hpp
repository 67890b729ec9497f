/// Whether this process has been forked off since some moment: a child has one thread, whatever its parent had.
#pragma once

#include <atomic>
#include <cstdint>

#include <pthread.h>

namespace diamond::detail {

/// How many forks lie between this process and the first of its line. Counted by fork() itself, so that to ask is to read a number:
/// getpid() is a system call, and a child in a new namespace may have its parent's number.
inline std::atomic<std::int64_t> forks{0};
inline const int                 forks_are_counted = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });

/// When something was made, in forks.
class birth {
public:
    /// Whether this process is a child, or a child's child, of the one in which it was made.
    [[nodiscard]] bool forked_since() const { return at_ != forks.load(std::memory_order_relaxed); }

private:
    std::int64_t at_ = forks.load(std::memory_order_relaxed);
};

} // namespace diamond::detail
