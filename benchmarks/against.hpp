// Measures a subject against a ceiling or a peer in turn, so that what else the machine does hits both.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace diamond_benchmarks {

template <class F>
double seconds(F&& f) {
    const auto start = std::chrono::steady_clock::now();
    f();
    benchmark::ClobberMemory();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs both once an iteration. The time reported is the subject's; the counters are the fastest of each in ms, and `ratio`, the fastest
/// subject over the fastest other: how many times the ceiling's time it takes, or below 1 what share of a peer's.
template <class Subject, class Other>
void against(benchmark::State& state, const std::string& other_name, Subject&& subject, Other&& other) {
    double fastest = 1e300, fastest_other = 1e300;
    subject(); // warm: room is allocated, pages are touched
    other();
    for (auto _ : state) {
        fastest_other      = std::min(fastest_other, seconds(other));
        const double taken = seconds(subject);
        fastest            = std::min(fastest, taken);
        state.SetIterationTime(taken);
    }
    state.counters["fastest_ms"]       = 1e3 * fastest;
    state.counters[other_name + "_ms"] = 1e3 * fastest_other;
    state.counters["ratio"]            = fastest / fastest_other;
}

/// What a copy of so many bytes takes: it reads half of `traffic` and writes as much.
class copy_ceiling {
public:
    explicit copy_ceiling(double traffic) : from_(static_cast<std::size_t>(traffic / 2), 'a'), to_(from_.size(), 'b') {}
    void operator()() {
        std::copy(from_.begin(), from_.end(), to_.begin());
        benchmark::DoNotOptimize(to_.data());
    }

private:
    std::vector<char> from_, to_;
};

} // namespace diamond_benchmarks
