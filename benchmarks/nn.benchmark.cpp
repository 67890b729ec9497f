// The dense stack against the products they cannot do without, by bare Eigen at the same
// shapes in the same run: `share` is the products' time over ours.
#include <string>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/nn/mlp.hpp>

#include "against.hpp"
#include "bare_products.hpp"

namespace {

using diamond::index_t, diamond::philox;
using batch = diamond::eigen::batch<float>;
using stack = diamond::dense_stack<batch>;

std::vector<diamond::dense_layer> square_layers(index_t width) {
    return std::vector<diamond::dense_layer>(4, {width, width, diamond::activation::silu, true});
}

struct dense {
    diamond::eigen::context context;
    stack layers;
    batch theta, x, y, gradient;
    stack::workspace space;

    dense(int threads, index_t width, index_t columns)
        : context{.threads = threads},
          layers(square_layers(width)),
          theta(context, layers.parameters(), 1),
          x(context, width, columns),
          y(context, width, columns),
          gradient(context, layers.parameters(), 1) {
        diamond::initialise(layers, philox{1}, theta.mutable_view());
        diamond::draw_normal(philox{2}.stream(diamond::purpose::user), x.mutable_view());
    }
    void forward() { layers.forward(context, theta.data(), {x.data()}, x.columns(), {y.data()}, space); }
    void forward_and_backward() {
        layers.record(context, theta.data(), {x.data()}, x.columns(), {y.data()}, space);
        layers.backward(context, theta.data(), space, {y.data()}, {nullptr}, gradient.data());
    }
};

void forward(benchmark::State& state) {
    dense d(1, state.range(0), state.range(1));
    diamond_benchmarks::against(
        state, "products", [&] { d.forward(); },
        diamond_benchmarks::bare_products(d.layers.layers(), state.range(1), 1));
    diamond_benchmarks::shares(state);
}
/// The first layer's inputs get no cotangent here, so that there are 2 + 3/4 passes of products.
void forward_and_backward(benchmark::State& state) {
    dense d(1, state.range(0), state.range(1));
    diamond_benchmarks::bare_products whole(d.layers.layers(), state.range(1), 2),
        last(std::vector(d.layers.layers().begin() + 1, d.layers.layers().end()), state.range(1), 1);
    diamond_benchmarks::against(
        state, "products", [&] { d.forward_and_backward(); },
        [&] {
            whole();
            last();
        });
    diamond_benchmarks::shares(state);
}
void forward_on_two_threads(benchmark::State& state) {
    dense one(1, state.range(0), state.range(1)), two(2, state.range(0), state.range(1));
    const auto run_one = [&] { one.forward(); };
    const auto run_two = [&] { two.forward(); };
    std::function<void()> a = run_one, b = run_two;
    diamond_benchmarks::in_wall_time(state, a, b);
}
#define SHAPES ArgNames({"width", "columns"})->Args({512, 10000})->Args({256, 10000})->Args({128, 10000})
BENCHMARK(forward)->SHAPES->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(forward_and_backward)->SHAPES->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(forward_on_two_threads)->SHAPES->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
