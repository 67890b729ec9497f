/// Runs numbered blocks of work on a fixed set of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// `run(n, f)` calls f(0) ... f(n - 1), each once, on the caller and the pool's threads, and returns when all are done; or f(block,
/// worker), where no two calls at a time have the same worker, 0 <= worker < threads(). The lowest block's exception is rethrown on the
/// caller. Allocates nothing after construction. A call from inside a block runs inline.
class thread_pool {
public:
    /// @param threads all threads, the caller's included; 0 means one per hardware thread. @throws std::invalid_argument if negative.
    explicit thread_pool(int threads) {
        require(threads >= 0,
                [&] { return "a pool of " + digits_of(threads) + " threads: 0 or more are needed, 0 for one per hardware thread"; });
        const int count = threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency());
        for (int worker = 1; worker < count; ++worker) workers_.emplace_back([this, worker] { work(worker); });
    }
    thread_pool(const thread_pool&)            = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (auto& worker : workers_) worker.join();
    }

    [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

    template <class F>
    void run(index_t blocks, const F& f) {
        if (workers_.empty() || blocks <= 1 || busy_) {
            const int worker = busy_ ? this_worker() : 0;
            for (index_t block = 0; block < blocks; ++block) call(f, block, worker);
            return;
        }
        busy_ = true;
        {
            const std::lock_guard lock(mutex_);
            call_     = [](const void* function, index_t block, int worker) { call(*static_cast<const F*>(function), block, worker); };
            function_ = &f;
            blocks_   = blocks;
            next_.store(0, std::memory_order_relaxed);
            failed_block_ = blocks;
            failure_      = nullptr;
            active_       = static_cast<int>(workers_.size());
            ++generation_;
        }
        wake_.notify_all();
        take_blocks(0);
        {
            std::unique_lock lock(mutex_);
            done_.wait(lock, [this] { return active_ == 0; });
        }
        busy_ = false;
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

private:
    template <class F>
    static void call(const F& f, index_t block, int worker) {
        if constexpr (std::is_invocable_v<const F&, index_t, int>)
            f(block, worker);
        else
            f(block);
    }
    /// Which of the pool's threads this is; any other, the caller among them, is 0.
    [[nodiscard]] int this_worker() const {
        for (std::size_t k = 0; k < workers_.size(); ++k)
            if (workers_[k].get_id() == std::this_thread::get_id()) return static_cast<int>(k) + 1;
        return 0;
    }
    void take_blocks(int worker) {
        for (index_t block = next_.fetch_add(1); block < blocks_; block = next_.fetch_add(1)) {
            try {
                call_(function_, block, worker);
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (block < failed_block_) {
                    failed_block_ = block;
                    failure_      = std::current_exception();
                }
            }
        }
    }
    void work(int worker) {
        for (long seen = 0;;) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
                if (stop_) return;
                seen = generation_;
            }
            take_blocks(worker);
            const std::lock_guard lock(mutex_);
            if (--active_ == 0) done_.notify_one();
        }
    }

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    void (*call_)(const void*, index_t, int) = nullptr;
    const void* function_                    = nullptr;
    index_t blocks_                          = 0;
    std::atomic<index_t> next_{0};
    index_t failed_block_ = 0;
    std::exception_ptr failure_;
    int active_      = 0;
    long generation_ = 0;
    bool stop_       = false;
    bool busy_       = false; // only the one thread that owns the context reads or writes it, or a block of its own run
};

} // namespace diamond::detail
