/// This header makes sure that a context serves one thread of control. A second thread would work in the same
/// buffers, and its numbers would be wrong without a warning.
#pragma once

#include <atomic>
#include <stdexcept>
#include <thread>

namespace diamond::detail {

/// This class keeps which thread is served, if any.
class one_at_a_time {
public:
    one_at_a_time() = default;
    one_at_a_time(const one_at_a_time&) {} // a copy serves no thread yet
    one_at_a_time& operator=(const one_at_a_time&) { return *this; }

    /// Starts to serve the calling thread, until leave(), if no thread is served. Returns whether it does.
    [[nodiscard]] bool enter() {
        std::thread::id nobody;
        return thread_.compare_exchange_strong(nobody, std::this_thread::get_id(), std::memory_order_acquire);
    }
    void leave() { thread_.store({}, std::memory_order_release); }
    /// Checks that the calling thread is served.
    /// @throws std::logic_error if another thread is.
    void require_this_thread() const {
        if (thread_.load(std::memory_order_relaxed) != std::this_thread::get_id())
            throw std::logic_error("the context is at work for another thread: it serves one thread at a "
                                   "time, so make a context for each");
    }

private:
    std::atomic<std::thread::id> thread_{};
};

} // namespace diamond::detail
