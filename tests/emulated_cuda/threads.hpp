/// A block's threads as fibers of one thread of the CPU: each runs until it meets the others.
///
/// A barrier that only some of a block's threads reach, which hangs a device or spoils its numbers, ends the
/// program here with a sentence.
#pragma once

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim; // NOLINT: CUDA's names

namespace emulated_cuda {

class block_of_threads {
public:
    /// Runs body once for each thread of a block.
    void run(unsigned threads, const std::function<void()>& body) {
        while (fibers_.size() < threads) fibers_.push_back(std::make_unique<fiber>(*this));
        body_ = &body;
        for (unsigned t = 0; t < threads; ++t) fibers_[t]->done = false;
        for (unsigned left = threads; left > 0;) {
            unsigned ended = 0;
            for (unsigned t = 0; t < threads; ++t) {
                current_ = fibers_[t].get();
                threadIdx.x = t;
                if (_setjmp(scheduler_) == 0) current_->go_on();
                ended += current_->done;
            }
            if (ended != 0 && ended != left) {
                std::fprintf(stderr,
                             "emulated CUDA: %u of %u threads met a barrier that the others never reach\n",
                             left - ended, left);
                std::abort();
            }
            left -= ended;
        }
    }
    /// All threads of the block have come here.
    void meet() {
        if (_setjmp(current_->here) == 0) _longjmp(scheduler_, 1);
    }

private:
    struct fiber {
        static constexpr std::size_t stack_bytes = std::size_t{1} << 18;

        block_of_threads& owner;
        void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ucontext_t begin{};
        std::jmp_buf here{};
        bool started = false, done = false;

        explicit fiber(block_of_threads& block) : owner(block) {}
        fiber(const fiber&) = delete;
        fiber& operator=(const fiber&) = delete;
        ~fiber() { munmap(stack, stack_bytes); }

        void go_on() {
            if (started) _longjmp(here, 1);
            started = true;
            getcontext(&begin);
            begin.uc_stack.ss_sp = stack;
            begin.uc_stack.ss_size = stack_bytes;
            starting() = this;
            makecontext(&begin, &fiber::main, 0);
            setcontext(&begin);
        }
        static fiber*& starting() {
            static fiber* result = nullptr;
            return result;
        }
        static void main() {
            fiber& own = *starting();
            for (;;) { // a block after another
                (*own.owner.body_)();
                own.done = true;
                own.owner.meet();
            }
        }
    };

    std::vector<std::unique_ptr<fiber>> fibers_;
    fiber* current_ = nullptr;
    const std::function<void()>* body_ = nullptr;
    std::jmp_buf scheduler_{};
};

inline block_of_threads& block() {
    static block_of_threads result;
    return result;
}

} // namespace emulated_cuda
