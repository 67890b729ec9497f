/// This header runs numbered blocks of work on a fixed set of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/backend/detail/float_mode.hpp>
#include <diamond/backend/detail/forks.hpp>
#include <diamond/backend/detail/one_at_a_time.hpp>
#include <diamond/backend/detail/processors.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// `run(n, f)` calls f(0) ... f(n - 1), each once, on the caller and the threads of the pool, and returns
/// when all are done. It may also call f(block, worker), where `worker` lies in [0, threads()) and differs
/// between calls at the same time. The exception of the lowest block is rethrown on the caller. Nothing is
/// allocated after construction. A call from inside a block runs inline. All threads work in the
/// floating-point mode of the caller.
///
/// The pool serves one thread at a time and refuses a second one. A fork() copies the pool without its
/// threads; a child makes its own at their first use. A block that forks must leave the child by _exit or
/// exec, because the blocks of the other threads do not exist there.
class thread_pool {
public:
    /// Makes the threads.
    /// @param threads the number of all threads, including the caller; 0 means as many as can work at once
    /// (processors.hpp).
    /// @throws std::invalid_argument if it is negative, std::system_error if the system does not provide so
    /// many.
    explicit thread_pool(int threads) : threads_(threads > 0 ? threads : usable_processors()) {
        require(threads >= 0, [&] {
            return "a pool of " + digits_of(threads) +
                   " threads: 0 or more are needed, 0 for as many as can work at once";
        });
        hire();
    }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool() {
        if (birth_.forked_since())
            forget_threads();
        else
            dismiss();
    }

    [[nodiscard]] int threads() const { return threads_; }

    /// A session keeps the pool at the service of this thread until it ends, for work of which a run is only
    /// a part. Inside a block of a run, a session is nested: it may use nothing that the outer one keeps, and
    /// runs inline.
    /// @throws std::logic_error while the pool serves another thread.
    class session {
    public:
        explicit session(thread_pool& pool) : pool_(pool) {
            if (pool.birth_.forked_since()) pool.begin_anew();
            worker_ = pool.served_.enter() ? outermost : pool.this_worker();
        }
        session(const session&) = delete;
        session& operator=(const session&) = delete;
        ~session() {
            if (!nested()) pool_.served_.leave();
        }

        [[nodiscard]] bool nested() const { return worker_ != outermost; }

        template <class F>
        void run(index_t blocks, const F& f) {
            if (nested() || pool_.threads_ == 1 || blocks <= 1) {
                for (index_t block = 0; block < blocks; ++block) call(f, block, nested() ? worker_ : 0);
            } else {
                pool_.run_on_all(blocks, f);
            }
        }

    private:
        static constexpr int outermost = -1;

        thread_pool& pool_;
        int worker_;
    };

    template <class F>
    void run(index_t blocks, const F& f) {
        session(*this).run(blocks, f);
    }

private:
    template <class F>
    static void call(const F& f, index_t block, int worker) {
        if constexpr (std::is_invocable_v<const F&, index_t, int>)
            f(block, worker);
        else
            f(block);
    }
    template <class F>
    void run_on_all(index_t blocks, const F& f) {
        if (workers_.empty()) hire(); // the first use in a child
        const birth begin;
        {
            const std::lock_guard lock(mutex_);
            call_ = [](const void* function, index_t block, int worker) {
                call(*static_cast<const F*>(function), block, worker);
            };
            function_ = &f;
            blocks_ = blocks;
            mode_ = float_mode::of_this_thread();
            next_.store(0, std::memory_order_relaxed);
            failed_block_ = blocks;
            failure_ = nullptr;
            active_ = static_cast<int>(workers_.size());
            ++generation_;
        }
        wake_.notify_all();
        take_blocks(0);
        if (begin.forked_since()) throw std::runtime_error(forked_inside);
        {
            std::unique_lock lock(mutex_);
            done_.wait(lock, [this] { return active_ == 0; });
        }
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    /// Returns which of the threads at work the calling thread is.
    /// @throws std::logic_error if it is none of them.
    [[nodiscard]] int this_worker() const {
        for (std::size_t k = 0; k < workers_.size(); ++k)
            if (workers_[k].get_id() == std::this_thread::get_id()) return static_cast<int>(k) + 1;
        served_.require_this_thread();
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
                    failure_ = std::current_exception();
                }
            }
        }
    }
    void work(int worker) {
        const birth begin;
        for (long seen = 0;;) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
                if (stop_) return;
                seen = generation_;
                mode_.take_over();
            }
            take_blocks(worker);
            // The child has no other thread, so that this exception ends it, with its sentence.
            if (begin.forked_since()) throw std::runtime_error(forked_inside);
            const std::lock_guard lock(mutex_);
            if (--active_ == 0) done_.notify_one();
        }
    }

    /// Makes all threads, or makes none and throws.
    void hire() {
        const std::string what = "a pool of " + digits_of(threads_) +
                                 " threads: the system gives no more than ";
        const auto give_up = [&](const std::error_code& why) {
            const std::size_t made = workers_.size() + 1;
            dismiss();
            throw std::system_error(why, what + digits_of(made));
        };
        try {
            while (workers_.size() + 1 < static_cast<std::size_t>(threads_)) {
                const int worker = static_cast<int>(workers_.size()) + 1;
                workers_.emplace_back([this, worker] { work(worker); });
            }
        } catch (const std::system_error& error) {
            give_up(error.code());
        } catch (const std::bad_alloc&) {
            give_up(std::make_error_code(std::errc::not_enough_memory));
        }
    }
    void dismiss() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (auto& worker : workers_) worker.join();
        workers_.clear();
        stop_ = false;
    }
    /// Replaces the threads and locks in a child process. The threads of the parent do not exist here and
    /// cannot be joined, and its locks may be held for ever. Each object is made anew in its place and the
    /// old one is not destroyed, because that would wait.
    void forget_threads() {
        for (auto& worker : workers_) std::construct_at(&worker);
        workers_.clear();
        std::construct_at(&mutex_);
        std::construct_at(&wake_);
        std::construct_at(&done_);
    }
    void begin_anew() {
        forget_threads();
        served_.leave();
        generation_ = 0;
        active_ = 0;
        birth_ = birth{};
    }

    static constexpr const char*
        forked_inside = "the process was forked inside a block of a context's work, of which a child has but "
                        "one thread's share: fork outside of it, or leave the child by _exit or exec";

    int threads_;
    std::vector<std::thread> workers_;
    one_at_a_time served_;
    birth birth_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    void (*call_)(const void*, index_t, int) = nullptr;
    const void* function_ = nullptr;
    index_t blocks_ = 0;
    float_mode mode_;
    std::atomic<index_t> next_{0};
    index_t failed_block_ = 0;
    std::exception_ptr failure_;
    int active_ = 0;
    long generation_ = 0;
    bool stop_ = false;
};

} // namespace diamond::detail
