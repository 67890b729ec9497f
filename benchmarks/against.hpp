// Measures a subject against a ceiling or a peer, in turn and in processor time, so that what else the
// machine does hits neither.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

namespace diamond_benchmarks {

/// Seconds of processor time, of all threads together.
inline double processor_time() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
inline double wall_time() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Clock, class F>
double seconds(Clock clock, F&& f) {
    const double start = clock();
    f();
    benchmark::ClobberMemory();
    return clock() - start;
}

/// How all benchmarks are reported: BENCHMARK(...)->Apply(in_milliseconds).
inline void in_milliseconds(benchmark::internal::Benchmark* benchmark) {
    benchmark->UseManualTime()->Unit(benchmark::kMillisecond);
}

/// A subject against a ceiling or a peer by some clock, both once an iteration. Reports the subject's times;
/// the counters are the fastest of each in ms, and `ratio`, the fastest subject over the fastest other: how
/// many times a ceiling it takes, or what share of a peer's time.
template <class Clock, class Subject, class Other>
void against_by(Clock clock, benchmark::State& state, const std::string& name, Subject subject, Other other) {
    double fastest = 1e300, fastest_other = 1e300;
    subject(); // room is allocated, pages are touched
    other();
    for (auto _ : state) {
        fastest_other = std::min(fastest_other, seconds(clock, other));
        const double taken = seconds(clock, subject);
        fastest = std::min(fastest, taken);
        state.SetIterationTime(taken);
    }
    state.counters["fastest_ms"] = 1e3 * fastest;
    state.counters[name + "_ms"] = 1e3 * fastest_other;
    state.counters["ratio"] = fastest / fastest_other;
}
/// The same of one thread, by its processor time.
template <class Subject, class Other>
void against(benchmark::State& state, const std::string& name, Subject subject, Other other) {
    against_by(processor_time, state, name, std::move(subject), std::move(other));
}

/// After against(): what share of our time the other takes, as `share`.
inline void shares(benchmark::State& state) { state.counters["share"] = 1.0 / state.counters["ratio"]; }

/// The same job on one thread and on several, in turn and by the clock on the wall. Reports the latter's
/// times, and `speedup`.
template <class Job>
void in_wall_time(benchmark::State& state, Job& alone, Job& together) {
    double fastest_alone = 1e300, fastest_together = 1e300;
    alone();
    together();
    for (auto _ : state) {
        fastest_alone = std::min(fastest_alone, seconds(wall_time, alone));
        const double taken = seconds(wall_time, together);
        fastest_together = std::min(fastest_together, taken);
        state.SetIterationTime(taken);
    }
    state.counters["fastest_ms"] = 1e3 * fastest_together;
    state.counters["one_thread_ms"] = 1e3 * fastest_alone;
    state.counters["ratio"] = fastest_together / fastest_alone;
    state.counters["speedup"] = fastest_alone / fastest_together;
}

/// What a copy that reads and writes `traffic` bytes in all takes.
class copy_ceiling {
public:
    explicit copy_ceiling(double traffic)
        : from_(static_cast<std::size_t>(traffic / 2), 'a'), to_(from_.size(), 'b') {}
    void operator()() {
        std::copy(from_.begin(), from_.end(), to_.begin());
        benchmark::DoNotOptimize(to_.data());
    }

private:
    std::vector<char> from_, to_;
};

} // namespace diamond_benchmarks
