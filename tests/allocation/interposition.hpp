/// Counts every allocation of the program and the bytes that are held, by standing in for the C library's
/// functions; operator new, Eigen and all others end there. It defines functions: include it in one file
/// only.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if __has_include(<mm_malloc.h>)
#include <mm_malloc.h> // clang's declares posix_memalign anew, which it may before our definition and not after
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define DIAMOND_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DIAMOND_TEST_SANITIZED
#endif

// Sanitizers interpose these themselves; other C libraries than glibc do not say what stands behind them.
#if defined(__GLIBC__) && !defined(DIAMOND_TEST_SANITIZED)
#define DIAMOND_TEST_COUNTS_ALLOCATIONS

#include <malloc.h>

namespace interposition {
inline std::atomic<long> calls{0}, held{0}, most_held{0};

inline void* counted(void* p) {
    ++calls;
    const long bytes = p ? static_cast<long>(malloc_usable_size(p)) : 0;
    const long now = held.fetch_add(bytes) + bytes;
    long most = most_held.load();
    while (now > most && !most_held.compare_exchange_weak(most, now)) {
    }
    return p;
}
} // namespace interposition

extern "C" {
void __libc_free(void*);
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) noexcept { return interposition::counted(__libc_malloc(bytes)); }
void* calloc(std::size_t count, std::size_t bytes) noexcept {
    return interposition::counted(__libc_calloc(count, bytes));
}
void* realloc(void* p, std::size_t bytes) noexcept {
    const long before = p ? static_cast<long>(malloc_usable_size(p)) : 0;
    void* const now = __libc_realloc(p, bytes);
    if (now || bytes == 0) interposition::held -= before;
    return interposition::counted(now);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    return interposition::counted(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    return interposition::counted(__libc_memalign(alignment, bytes));
}
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) noexcept {
    *p = interposition::counted(__libc_memalign(alignment, bytes));
    return *p ? 0 : ENOMEM;
}
void free(void* p) noexcept {
    if (p) interposition::held -= static_cast<long>(malloc_usable_size(p));
    __libc_free(p);
}
}
#endif
