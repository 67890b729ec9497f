/// A stopwatch measures wall time.
#pragma once

#include <chrono>

namespace diamond {

/// Measures wall time from its construction on.
class stopwatch {
public:
    /// Returns the seconds since the construction, by a clock that never goes back.
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace diamond
