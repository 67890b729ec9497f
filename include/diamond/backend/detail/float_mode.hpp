/// How a thread's floating point works: rounding, and whether subnormal numbers are flushed to zero. Each thread has a mode of its own.
#pragma once

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace diamond::detail {

/// The control bits of this processor's floating point; nothing where we do not know them.
class float_mode {
public:
    [[nodiscard]] static float_mode of_this_thread() {
        float_mode result;
#if defined(__SSE__)
        result.bits_ = _mm_getcsr() & ~exceptions_seen;
#elif defined(__aarch64__)
        asm volatile("mrs %0, fpcr" : "=r"(result.bits_));
#endif
        return result;
    }
    /// This thread works so from now on.
    void take_over() const {
        if (bits_ == of_this_thread().bits_) return;
#if defined(__SSE__)
        _mm_setcsr(static_cast<unsigned>(bits_));
#elif defined(__aarch64__)
        asm volatile("msr fpcr, %0" : : "r"(bits_));
#endif
    }

private:
#if defined(__SSE__)
    static constexpr unsigned exceptions_seen = 0x3f; // what has happened so far is no part of the mode
#endif
    std::uint64_t bits_ = 0;
};

} // namespace diamond::detail
