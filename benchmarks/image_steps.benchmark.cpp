// Whole steps of a Diamond network of images against the products they cannot do without, by bare Eigen in
// the same run: `share` is the products' time over ours.
#include "image_steps.hpp"

#include <benchmark/benchmark.h>

#include "against.hpp"

namespace {

using namespace diamond_benchmarks;

template <class Step>
void whole(benchmark::State& state) {
    Step step(1, state.range(0));
    const auto& graph = step.net.architecture().stack();
    against(
        state, "products", [&] { step(); }, products_of_graph(graph, state.range(0), Step::passes));
    shares(state);
    state.counters["gflops"] = graph.operations() * Step::passes * static_cast<double>(state.range(0)) /
                               state.counters["fastest_ms"] * 1e-6;
}
template <class Step>
void on_two_threads(benchmark::State& state) {
    Step one(1, state.range(0)), two(2, state.range(0));
    in_wall_time(state, one, two);
}
#define IMAGES ArgName("images")->Arg(256)->Apply(in_milliseconds)
BENCHMARK(whole<unet_step>)->Name("unet_step")->IMAGES;
BENCHMARK(whole<unet_training_step>)->Name("unet_lagrangian_step")->IMAGES;
BENCHMARK(on_two_threads<unet_step>)->Name("unet_step_on_two_threads")->IMAGES;
BENCHMARK(on_two_threads<unet_training_step>)->Name("unet_lagrangian_step_on_two_threads")->IMAGES;

} // namespace
