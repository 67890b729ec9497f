// Resampling a million particles, held against copying as many bytes as it cannot do without, and against
// searching sorted weights. What must move: 8 bytes of weight are read and 4 of ancestor written a particle;
// a copy of 6 bytes a particle moves as many.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/align/resampling.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/random/draw.hpp>

#include "against.hpp"

namespace {

using diamond::index_t;
using diamond_benchmarks::against;
using diamond_benchmarks::copy_ceiling;

constexpr index_t count = 1'000'000;
constexpr double must_move = 12.0 * count;
const auto stream = diamond::philox{1}.stream(diamond::purpose::resampling);
constexpr double weight_spread = 1.0; // standard deviation of the log weights: an effective number of N/e

/// Log weights, their sums in fixed point as the library makes them, and in double for the peers.
struct weights {
    diamond::eigen::context context{.threads = 1};
    diamond::owning_batch<double, diamond::eigen::context> log_weight;
    diamond::owning_batch<std::uint64_t, diamond::eigen::context> cumulative;
    diamond::owning_batch<std::int32_t, diamond::eigen::context> ancestors;
    diamond::resampling_scratch<diamond::eigen::context> space;
    std::vector<double> sums;

    weights() : log_weight(context, 1, count), cumulative(context, 1, count), ancestors(context, 1, count) {
        diamond::draw_normal(stream, log_weight.mutable_view());
        double total = 0.0;
        for (index_t j = 0; j < count; ++j) {
            log_weight.data()[j] *= weight_spread;
            sums.push_back(total += std::exp(log_weight.data()[j]));
        }
        for (double& sum : sums) sum /= total;
        accumulate();
    }
    void accumulate() {
        diamond::cumulative_weights(context, log_weight.data(), count, space, cumulative.data());
    }
    template <class Resampler>
    void resample(const Resampler& resampler) {
        resampler(context, cumulative.data(), count, stream, space, ancestors.data());
    }
};

/// From cumulative weights to ancestors.
template <class Resampler>
void resampler_against_copy(benchmark::State& state) {
    weights w;
    copy_ceiling copy(must_move);
    against(
        state, "copy", [&] { w.resample(Resampler{}); }, copy);
}
BENCHMARK(resampler_against_copy<diamond::systematic>)
    ->Name("systematic_against_copy")
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(resampler_against_copy<diamond::stratified>)
    ->Name("stratified_against_copy")
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(resampler_against_copy<diamond::residual>)
    ->Name("residual_against_copy")
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(resampler_against_copy<diamond::multinomial>)
    ->Name("multinomial_against_copy")
    ->Apply(diamond_benchmarks::in_milliseconds);

/// From log weights to cumulative ones.
void cumulative_against_copy(benchmark::State& state) {
    weights w;
    copy_ceiling copy(16.0 * count); // 8 bytes read, 8 written
    against(
        state, "copy", [&] { w.accumulate(); }, copy);
}
BENCHMARK(cumulative_against_copy)->Apply(diamond_benchmarks::in_milliseconds);

/// The same ancestors by a binary search for each: what numpy.searchsorted does (see numpy_searchsorted.py).
void systematic_against_lower_bound(benchmark::State& state) {
    weights w;
    std::vector<std::int32_t> found(count);
    const double u = stream.uniform(0);
    against(
        state, "lower_bound", [&] { w.resample(diamond::systematic{}); },
        [&] {
            for (index_t k = 0; k < count; ++k) {
                const auto at = std::upper_bound(w.sums.begin(), w.sums.end(),
                                                 (static_cast<double>(k) + u) / count);
                found[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(
                    std::min<index_t>(at - w.sums.begin(), count - 1));
            }
            benchmark::DoNotOptimize(found.data());
        });
    // Rounded sums in double may move an ancestor to its neighbour, which the fixed-point ones never do.
    double differing = 0.0;
    for (index_t k = 0; k < count; ++k)
        differing += found[static_cast<std::size_t>(k)] != w.ancestors.data()[k];
    state.counters["differing"] = differing;
}
BENCHMARK(systematic_against_lower_bound)->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
