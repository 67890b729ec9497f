// Two threads against one, in wall time. What two threads can do is measured in the same run: processors may
// be busy, or lent.
#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/align/smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>

#include "against.hpp"

namespace {

using diamond::index_t;
using batch = diamond::eigen::batch<float>;

constexpr diamond::philox rng{1};

/// Arithmetic that shares nothing, in one thread or two: what two threads can do on this machine.
struct spinning {
    long turns;
    void operator()() const {
        double x = 0.0;
        for (long k = 0; k < turns; ++k) benchmark::DoNotOptimize(x += 1.0);
    }
};
struct spinning_twice {
    spinning spin;
    void operator()() const {
        std::thread other(spin);
        spin();
        other.join();
    }
};

/// `Job` is made once for one thread and once for two. `ideal` is the time of one thread over the speedup of
/// spinning.
template <class Job>
void two_threads(benchmark::State& state) {
    using namespace diamond_benchmarks;
    const index_t d = state.range(0), components = state.range(1), columns = state.range(2);
    const diamond::eigen::context one{.threads = 1}, two{.threads = 2};
    Job alone(one, d, components, columns), together(two, d, components, columns);
    double fastest_alone = 1e300, fastest_together = 1e300, fastest_spin = 1e300, fastest_spins = 1e300;
    together(); // room is allocated, pages are touched
    alone();
    constexpr long turns = 100'000;
    const spinning turn{turns};
    const spinning spin{turns * std::max(1L, std::lround(seconds(wall_time, alone) /
                                                         seconds(wall_time, turn)))}; // as long as the job
    const spinning_twice spin_twice{spin};
    for (auto _ : state) {
        fastest_spin = std::min(fastest_spin, seconds(wall_time, spin));
        fastest_spins = std::min(fastest_spins, seconds(wall_time, spin_twice));
        fastest_alone = std::min(fastest_alone, seconds(wall_time, alone));
        const double taken = seconds(wall_time, together);
        fastest_together = std::min(fastest_together, taken);
        state.SetIterationTime(taken);
    }
    const double machine = 2.0 * fastest_spin / fastest_spins;
    state.counters["fastest_ms"] = 1e3 * fastest_together;
    state.counters["ideal_ms"] = 1e3 * fastest_alone / machine;
    state.counters["ratio"] = fastest_together * machine / fastest_alone;
    state.counters["speedup"] = fastest_alone / fastest_together;
    state.counters["spin_speedup"] = machine;
}

struct shape {
    batch x, out;
    shape(const diamond::eigen::context& context, index_t d, index_t columns)
        : x(context, d, columns), out(context, d, columns) {
        diamond::draw_normal(rng.stream(diamond::purpose::initial), x.mutable_view());
    }
};

/// out = a x + b out, as between the evaluations of a solver.
struct combination : shape {
    combination(const diamond::eigen::context& context, index_t d, index_t, index_t columns)
        : shape(context, d, columns) {}
    void operator()() {
        diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{0.5, 0.25}}), out.mutable_view(),
                         x.read(), out.read());
    }
};
struct normals : shape {
    normals(const diamond::eigen::context& context, index_t d, index_t, index_t columns)
        : shape(context, d, columns) {}
    void operator()() { diamond::draw_normal(rng.stream(diamond::purpose::transition), out.mutable_view()); }
};

auto data_model(const diamond::eigen::context& context, index_t d, index_t components) {
    batch points(context, d, components);
    diamond::draw_normal(rng.stream(diamond::purpose::data), points.mutable_view());
    return diamond::data_mixture(context, diamond::linear_schedule{}, points.read(), 0.5);
}
using model = decltype(data_model(std::declval<const diamond::eigen::context&>(), 0, 0));

struct glass : shape {
    diamond::glass_kernel<diamond::linear_schedule, model, diamond::explicit_midpoint> kernel;
    glass(const diamond::eigen::context& context, index_t d, index_t components, index_t columns)
        : shape(context, d, columns),
          kernel{diamond::linear_schedule{}, data_model(context, d, components),
                 diamond::explicit_midpoint{.steps = 4}} {}
    void operator()() { kernel(x, {0.4, 0.5}, {}, rng.stream(diamond::purpose::transition, 1), out); }
};

struct smc_run {
    using posterior = diamond::exact_posterior<model>;
    using sampler = diamond::smc<diamond::ddpm_posterior_kernel<posterior>,
                                 diamond::posterior_value<posterior, diamond::linear_reward<batch>>>;
    const diamond::eigen::context& context;
    sampler run;
    smc_run(const diamond::eigen::context& where, index_t d, index_t components, index_t columns)
        : context(where), run(make(where, posterior(data_model(where, d, components)), d, columns)) {}
    void operator()() { run(context, rng); }

private:
    static sampler make(const diamond::eigen::context& context, const posterior& draws, index_t d,
                        index_t columns) {
        const diamond::linear_reward<batch> reward(context,
                                                   std::vector<float>(static_cast<std::size_t>(d), 0.1f));
        return {diamond::ddpm_posterior_kernel{draws},
                diamond::posterior_value{draws, reward, {.samples = 4}},
                {.particles = columns, .steps = 4, .plain_ratio = 0.0}};
    }
};

struct resampling {
    diamond::owning_batch<double, diamond::eigen::context> log_weight;
    diamond::owning_batch<std::uint64_t, diamond::eigen::context> cumulative;
    diamond::owning_batch<std::int32_t, diamond::eigen::context> ancestors;
    diamond::resampling_scratch<diamond::eigen::context> space;
    resampling(const diamond::eigen::context& context, index_t, index_t, index_t columns)
        : log_weight(context, 1, columns), cumulative(context, 1, columns), ancestors(context, 1, columns) {
        diamond::draw_normal(rng.stream(diamond::purpose::user), log_weight.mutable_view());
    }
    void operator()() {
        const auto& context = log_weight.context();
        diamond::cumulative_weights(context, log_weight.data(), log_weight.columns(), space,
                                    cumulative.data());
        diamond::systematic{}(context, cumulative.data(), log_weight.columns(),
                              rng.stream(diamond::purpose::resampling), space, ancestors.data());
    }
};

BENCHMARK(two_threads<combination>)
    ->Name("combination")
    ->ArgNames({"d", "components", "columns"})
    ->Args({2, 1, 1000000})
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(two_threads<normals>)
    ->Name("normals")
    ->ArgNames({"d", "components", "columns"})
    ->Args({64, 1, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(two_threads<resampling>)
    ->Name("resampling")
    ->ArgNames({"d", "components", "columns"})
    ->Args({1, 1, 1000000})
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(two_threads<glass>)
    ->Name("glass")
    ->ArgNames({"d", "components", "columns"})
    ->Args({2, 3, 100000})
    ->Args({64, 1437, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(two_threads<smc_run>)
    ->Name("smc_run")
    ->ArgNames({"d", "components", "columns"})
    ->Args({64, 1437, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
