/// A stopwatch measures wall time.
#pragma once

#include <ctime>

namespace diamond {

/// Measures wall time from its construction on.
class stopwatch {
public:
    /// Returns the seconds since the construction, by a clock that never goes back.
    [[nodiscard]] double seconds() const {
        const timespec end = now();
        return static_cast<double>(end.tv_sec - start_.tv_sec) +
               1e-9 * static_cast<double>(end.tv_nsec - start_.tv_nsec);
    }

private:
    // The steady clock of POSIX: <chrono> would be a tenth of what the whole library costs to include.
    static timespec now() {
        timespec result{};
        clock_gettime(CLOCK_MONOTONIC, &result);
        return result;
    }
    timespec start_ = now();
};

} // namespace diamond
