// Whole steps of a Diamond network against the products they cannot do without, by bare Eigen at the same
// shapes in the same run: `share` is the products' time over ours.
#include "network_steps.hpp"

#include <vector>

#include <benchmark/benchmark.h>

#include "against.hpp"
#include "bare_products.hpp"
#include "layers_of_shared_times.hpp"

namespace {

using namespace diamond_benchmarks;

template <class Step>
void whole(benchmark::State& state) {
    Step step(1, state.range(0), state.range(1));
    against(
        state, "products", [&] { step(); },
        bare_products(layers_of_shared_times(step.net), state.range(1), Step::evaluations));
    shares(state);
}
/// With the features of times, which each column has of its own: two passes forward, value and tangent, four
/// back less the first layer's two, one of the target.
void lagrangian_step(benchmark::State& state) {
    training_step step(1, state.range(0), state.range(1));
    const auto& layers = step.net.architecture().layers();
    bare_products all(layers, state.range(1), 5),
        others(std::vector(layers.begin() + 1, layers.end()), state.range(1), 2);
    against(
        state, "products", [&] { step(); },
        [&] {
            all();
            others();
        });
    shares(state);
}
template <class Step>
void on_two_threads(benchmark::State& state) {
    Step one(1, state.range(0), state.range(1)), two(2, state.range(0), state.range(1));
    in_wall_time(state, one, two);
}

#define WIDTHS(columns) ArgNames({"width", "columns"})->ArgsProduct({{64, 128, 256, 512}, {columns}})
BENCHMARK(whole<diamond_step>)->Name("diamond_step")->WIDTHS(10000)->Apply(in_milliseconds);
BENCHMARK(whole<smc_run>)->Name("smc_run")->WIDTHS(4096)->Apply(in_milliseconds);
BENCHMARK(lagrangian_step)->WIDTHS(4096)->Args({256, 1024})->Apply(in_milliseconds);
BENCHMARK(on_two_threads<diamond_step>)
    ->Name("diamond_step_on_two_threads")
    ->WIDTHS(10000)
    ->Apply(in_milliseconds);
BENCHMARK(on_two_threads<smc_run>)->Name("smc_run_on_two_threads")->WIDTHS(4096)->Apply(in_milliseconds);
BENCHMARK(on_two_threads<training_step>)
    ->Name("lagrangian_step_on_two_threads")
    ->WIDTHS(4096)
    ->Apply(in_milliseconds);

} // namespace
