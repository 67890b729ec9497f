// Many small problems in one call against as many runs, on the same threads: 64 runs of SMC of 32 particles,
// each with a reward of its own, by a Diamond network of d = 64; and against one run of as many particles.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "against.hpp"
#include "network_steps.hpp"

namespace {

using namespace diamond_benchmarks;
using reward = diamond::linear_reward<batch>;

constexpr index_t groups = 64, particles = 32;

template <class Reward>
auto value_of(const map& of, const Reward& given) {
    return diamond::posterior_value{
        diamond::diamond_map_posterior{of}, given, {.samples = peers::smc_samples}};
}

/// The problems of a server's batch, on so many threads, with pilots or without.
struct problems : on_threads {
    std::vector<philox> rngs;
    std::vector<reward> rewards;
    map of{net};
    diamond::early_stop_kernel<map> kernel{of};
    diamond::smc_options options{.particles = particles, .steps = peers::smc_steps};

    problems(int threads, index_t width, bool pilots) : on_threads(threads, width) {
        for (index_t g = 0; g < groups; ++g) {
            rngs.push_back(philox{1}.split(static_cast<std::uint64_t>(g)));
            rewards.emplace_back(context,
                                 std::vector<float>(peers::dimension, 0.01f * static_cast<float>(g % 30)));
        }
        if (!pilots) options.log_delta = -diamond::infinity;
    }
    auto together() const {
        return diamond::grouped_smc{kernel, value_of(of, diamond::grouped_reward{rewards}), options};
    }
    auto alone(std::size_t group, index_t columns = particles) const {
        auto chosen = options;
        chosen.particles = columns;
        return diamond::smc{kernel, value_of(of, rewards[group]), chosen};
    }
};

/// One thread by its processor time, several by the clock on the wall.
template <class Other>
void one_call(benchmark::State& state, const problems& given, const std::string& name, const Other& other) {
    auto sampler = given.together();
    const auto call = [&] { benchmark::DoNotOptimize(sampler(given.context, given.rngs).front().log_z); };
    against_by(state.range(1) == 1 ? processor_time : wall_time, state, name, call, other);
    state.counters["speedup"] = 1.0 / state.counters["ratio"];
}
void against_runs(benchmark::State& state) {
    const problems given(static_cast<int>(state.range(1)), state.range(0), state.range(2) != 0);
    std::vector<decltype(given.alone(0))> alone;
    for (std::size_t g = 0; g < given.rewards.size(); ++g) alone.push_back(given.alone(g));
    one_call(state, given, "runs", [&] {
        for (std::size_t g = 0; g < alone.size(); ++g)
            benchmark::DoNotOptimize(alone[g](given.context, given.rngs[g]).log_z);
    });
}
/// What the batch would take were it one problem.
void against_one_run(benchmark::State& state) {
    const problems given(static_cast<int>(state.range(1)), state.range(0), false);
    auto whole = given.alone(1, groups * particles);
    one_call(state, given, "one_run",
             [&] { benchmark::DoNotOptimize(whole(given.context, given.rngs[1]).log_z); });
}
BENCHMARK(against_runs)
    ->ArgNames({"width", "threads", "pilot"})
    ->ArgsProduct({{128}, {1, 2}, {0, 1}})
    ->Apply(in_milliseconds);
BENCHMARK(against_one_run)
    ->ArgNames({"width", "threads"})
    ->ArgsProduct({{128}, {1, 2}})
    ->Apply(in_milliseconds);

} // namespace
