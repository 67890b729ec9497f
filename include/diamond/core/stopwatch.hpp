/// Wall time since something began.
#pragma once

#include <chrono>

namespace diamond {

/// Starts when it is made.
class stopwatch {
public:
    /// The seconds since then, by a clock that never goes back.
    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace diamond
