/// This header tells whether this process has been forked off since some moment. A child has one thread,
/// however many its parent had.
#pragma once

#include <atomic>
#include <cstdint>

#include <pthread.h>

namespace diamond::detail {

/// This number counts the forks between this process and the first of its line. fork() itself counts them, so
/// that asking only reads a number: getpid() would be a system call, and a child in a new namespace may have
/// the number of its parent.
inline std::atomic<std::int64_t> forks{0};
inline const int forks_are_counted = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });

/// A birth is the moment at which something was made, as a number of forks.
class birth {
public:
    /// Returns whether this process is a descendant of the one in which it was made.
    [[nodiscard]] bool forked_since() const { return at_ != forks.load(std::memory_order_relaxed); }

private:
    std::int64_t at_ = forks.load(std::memory_order_relaxed);
};

} // namespace diamond::detail
