// Layers of feature maps, each by itself on one thread, against the products that they cannot do without, by
// bare Eigen in the same run, of operands that stay in the cache: `share` is the products' time over ours.
#include <benchmark/benchmark.h>

#include "against.hpp"
#include "one_layer.hpp"

namespace {

using namespace diamond_benchmarks;
using diamond::index_t;

/// Times `pass` against the products of a 3 x 3 convolution, `passes` times those of its value.
template <class Layer, class Pass>
void against_products(benchmark::State& state, one_layer<Layer>& layer, double passes, Pass pass) {
    const index_t inputs = 9 * layer.from().channels, outputs = layer.to().channels,
                  pixels = layer.images() * layer.to().pixels();
    products_in_cache products(outputs, inputs, pixels, passes);
    against(state, "products", pass, products);
    // Products are whole: their time is that of what was asked for.
    state.counters["products_ms"] = state.counters["products_ms"] / products.excess();
    state.counters["ratio"] = state.counters["ratio"] * products.excess();
    shares(state);
    const double operations = 2.0 * static_cast<double>(inputs * outputs * pixels) * passes;
    state.counters["gflops"] = operations / state.counters["fastest_ms"] * 1e-6;
    state.counters["products_gflops"] = operations / state.counters["products_ms"] * 1e-6;
}
one_layer<diamond::convolution> convolution_of(const benchmark::State& state, index_t parts) {
    const index_t channels = state.range(0), pixels = state.range(1);
    return {diamond::convolution{.outputs = channels}, {channels, pixels, pixels}, parts};
}
void convolution_forward(benchmark::State& state) {
    auto layer = convolution_of(state, 1);
    against_products(state, layer, 1.0, [&] { layer.forward(); });
}
void convolution_forward_with_tangent(benchmark::State& state) {
    auto layer = convolution_of(state, 2);
    against_products(state, layer, 2.0, [&] { layer.forward(); });
}
/// The cotangent of the input and the gradient of the weights: twice the products of the value.
void convolution_backward(benchmark::State& state) {
    auto layer = convolution_of(state, 1);
    against_products(state, layer, 2.0, [&] { layer.backward(); });
}
void convolution_backward_with_tangent(benchmark::State& state) {
    auto layer = convolution_of(state, 2);
    against_products(state, layer, 4.0, [&] { layer.backward(); });
}
#define SHAPES ArgNames({"channels", "pixels"})->ArgsProduct({{16, 32, 64}, {28, 14, 7}})
BENCHMARK(convolution_forward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_forward_with_tangent)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward_with_tangent)->SHAPES->Apply(in_milliseconds);

} // namespace
