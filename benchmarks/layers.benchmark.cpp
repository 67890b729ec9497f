// Layers of feature maps, each by itself on one thread, against the products that they cannot do without, by
// bare Eigen in the same run, of operands that stay in the cache: `share` is the products' time over ours.
// Those without products are held against copying their map.
#include <benchmark/benchmark.h>

#include "against.hpp"
#include "one_layer.hpp"

namespace {

using namespace diamond_benchmarks;
using diamond::index_t;

/// After against(): shares, and speeds of an amount of work.
void speeds(benchmark::State& state, double operations) {
    shares(state);
    state.counters["gflops"] = operations / state.counters["fastest_ms"] * 1e-6;
    state.counters["products_gflops"] = operations / state.counters["products_ms"] * 1e-6;
}
/// Calls in a measurement, so that a clock resolves it.
constexpr int calls = 8;
template <class Pass>
auto repeated(Pass pass) {
    return [pass] {
        for (int call = 0; call < calls; ++call) pass();
    };
}
/// Times `pass` against the products of a 3 x 3 convolution with 256 pixels, `passes` times those of its
/// value.
template <class Pass>
void against_products(benchmark::State& state, one_layer<diamond::convolution>& layer, double passes,
                      Pass pass) {
    const index_t inputs = 9 * layer.from().channels, outputs = layer.to().channels;
    const double pixels = static_cast<double>(layer.images() * layer.to().pixels()) * passes * calls;
    against(state, "products", repeated(pass), products_in_cache(outputs, inputs, 256, pixels / 256.0));
    speeds(state, 2.0 * static_cast<double>(inputs * outputs) * pixels);
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
/// Attention of so many tokens to one another, in 64 channels and four heads, against K^T Q and V P.
one_layer<diamond::self_attention> attention_of(const benchmark::State& state, index_t parts) {
    const index_t pixels = state.range(0);
    return {diamond::self_attention{.heads = 4}, {3 * 64, pixels, pixels}, parts};
}
template <class Pass>
void against_products(benchmark::State& state, one_layer<diamond::self_attention>& layer, double passes,
                      Pass pass) {
    const index_t tokens = layer.to().pixels(), size = layer.to().channels / 4;
    const double heads = static_cast<double>(4 * layer.images()) * passes * calls;
    products_in_cache scores(tokens, size, tokens, heads), results(size, tokens, tokens, heads);
    against(state, "products", repeated(pass), [&] {
        scores();
        results();
    });
    speeds(state, 4.0 * static_cast<double>(size * tokens * tokens) * heads);
}
void attention_forward(benchmark::State& state) {
    auto layer = attention_of(state, 1);
    against_products(state, layer, 1.0, [&] { layer.forward(); });
}
/// K'^T Q, K^T Q', V' P and V P' beside those of the value.
void attention_forward_with_tangent(benchmark::State& state) {
    auto layer = attention_of(state, 2);
    against_products(state, layer, 3.0, [&] { layer.forward(); });
}
/// The four products of the cotangents; that of the scores, which are made anew, is not counted.
void attention_backward(benchmark::State& state) {
    auto layer = attention_of(state, 1);
    against_products(state, layer, 2.0, [&] { layer.backward(); });
}
/// Layers without products, against copying the map: 32 channels of 28 x 28 pixels.
template <class Layer>
void against_copy(benchmark::State& state, Layer of, bool backward, index_t parts) {
    one_layer<Layer> layer(of, {32, 28, 28}, parts);
    std::vector<float> from(layer.x()), to(from.size());
    against(state, "copy", repeated([&] { backward ? layer.backward() : layer.forward(); }), repeated([&] {
                std::copy(from.begin(), from.end(), to.begin());
                benchmark::DoNotOptimize(to.data());
            }));
}
void group_norm(benchmark::State& state) {
    against_copy(state, diamond::group_norm{.groups = 8}, state.range(0) == 1, state.range(1));
}
void silu(benchmark::State& state) {
    against_copy(state, diamond::activation_layer{}, state.range(0) == 1, state.range(1));
}
#define SHAPES ArgNames({"channels", "pixels"})->ArgsProduct({{16, 32, 64}, {28, 14, 7}})
BENCHMARK(convolution_forward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_forward_with_tangent)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward_with_tangent)->SHAPES->Apply(in_milliseconds);
BENCHMARK(attention_forward)->ArgName("pixels")->Arg(7)->Arg(14)->Apply(in_milliseconds);
BENCHMARK(attention_forward_with_tangent)->ArgName("pixels")->Arg(7)->Arg(14)->Apply(in_milliseconds);
BENCHMARK(attention_backward)->ArgName("pixels")->Arg(7)->Arg(14)->Apply(in_milliseconds);
BENCHMARK(group_norm)->ArgNames({"backward", "parts"})->ArgsProduct({{0, 1}, {1, 2}})->Apply(in_milliseconds);
BENCHMARK(silu)->ArgNames({"backward", "parts"})->ArgsProduct({{0, 1}, {1, 2}})->Apply(in_milliseconds);

} // namespace
