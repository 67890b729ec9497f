/// This header manages the memory of back ends that run on the host.
#pragma once

#include <new>

#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

inline constexpr std::align_val_t host_alignment{64}; // a cache line, and the widest vector

/// Returns uninitialised memory for `count` numbers, and null for 0.
/// @throws std::invalid_argument if the count is negative or its bytes exceed what an index can count;
/// std::bad_alloc if there is no memory.
template <class T>
[[nodiscard]] T* host_allocate(index_t count) {
    require_countable(count, sizeof(T));
    return count == 0
             ? nullptr
             : static_cast<T*>(::operator new[](static_cast<std::size_t>(count) * sizeof(T), host_alignment));
}
inline void host_deallocate(void* p) noexcept { ::operator delete[](p, host_alignment); }

/// Implements forbid for a context on the host, which throws at once.
template <class Context, class F>
void forbid_now(const Context& context, index_t count, const F& f, const deferred_error& why) {
    const index_t bad = context.find_first(count, f);
    if (bad < count) throw_deferred(why, bad);
}

} // namespace diamond::detail
