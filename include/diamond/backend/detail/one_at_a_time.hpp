/// A context serves one thread of control: a second one would work in the same buffers, and its numbers would be wrong in silence.
#pragma once

#include <atomic>
#include <stdexcept>
#include <thread>

namespace diamond::detail {

/// Which thread is served, if any.
class one_at_a_time {
public:
    one_at_a_time() = default;
    one_at_a_time(const one_at_a_time&) {} // a copy serves nobody yet
    one_at_a_time& operator=(const one_at_a_time&) { return *this; }

    /// Whether nobody was served: then this thread is, until leave().
    [[nodiscard]] bool enter() {
        std::thread::id nobody;
        return thread_.compare_exchange_strong(nobody, std::this_thread::get_id(), std::memory_order_acquire);
    }
    void leave() { thread_.store({}, std::memory_order_release); }
    /// @throws std::logic_error if another thread than this is served.
    void require_this_thread() const {
        if (thread_.load(std::memory_order_relaxed) != std::this_thread::get_id())
            throw std::logic_error("the context is at work for another thread: it serves one thread at a time, so make a context for each");
    }

private:
    std::atomic<std::thread::id> thread_{};
};

} // namespace diamond::detail
