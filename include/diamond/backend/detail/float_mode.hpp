/// This header reads and sets how a thread computes in floating point: the rounding mode, and whether
/// subnormal numbers are flushed to zero. Each thread has a mode of its own.
#pragma once

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace diamond::detail {

/// A mode consists of the control bits of floating point on this processor. They are empty on processors that
/// this header does not know.
class float_mode {
public:
    /// Returns the mode of the calling thread.
    [[nodiscard]] static float_mode of_this_thread() {
        float_mode result;
#if defined(__SSE__)
        result.bits_ = _mm_getcsr() & ~exceptions_seen;
#elif defined(__aarch64__)
        asm volatile("mrs %0, fpcr" : "=r"(result.bits_));
#endif
        return result;
    }
    /// Sets this mode in the calling thread.
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
    // These bits say which exceptions have occurred so far, which is not part of the mode.
    static constexpr unsigned exceptions_seen = 0x3f;
#endif
    std::uint64_t bits_ = 0;
};

} // namespace diamond::detail
