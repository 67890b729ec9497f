// Training steps loss by loss, of a Diamond network and of a joint one, against the products that the loss
// cannot do without, by bare Eigen at the same shapes in the same run: `share` is the products' time over
// ours. And a step of AdamW against a copy of its memory.
#include <algorithm>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "against.hpp"
#include "bare_products.hpp"

namespace {

using diamond::index_t, diamond::philox;
using batch = diamond::eigen::batch<float>;
using plain = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using joint = diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>;

constexpr index_t dimension = 64;

/// How many passes of products a loss takes: forward, and for a backward pass one for the parameters and one,
/// less the first layer, for the inputs.
struct passes {
    int whole, others;
};
constexpr passes passes_of(diamond::lagrangian_loss) {
    return {2 + 2 + 1, 2};
} // value and tangent there and back, and ubar
constexpr passes passes_of(diamond::eulerian_loss) {
    return {1 + 1 + 2 + 1, 1};
} // there and back, value and tangent, and ubar
constexpr passes passes_of(diamond::mean_flow_loss) { return {1 + 1 + 2, 1}; }
constexpr passes passes_of(diamond::semigroup_loss) {
    return {1 + 1 + 2, 1};
} // there and back, and the two parts

/// One probe's Jacobian-vector product, two passes, and for MeanFlow the evaluation that the probe goes with.
template <class Network, class Loss>
constexpr passes with_trace(Loss loss) {
    passes result = passes_of(loss);
    if constexpr (diamond::trainable_network_with_divergence<Network> &&
                  !std::is_same_v<Loss, diamond::semigroup_loss>)
        result.whole += std::is_same_v<Loss, diamond::mean_flow_loss> ? 3 : 2;
    return result;
}

template <class Network, class Loss>
void step(benchmark::State& state) {
    const index_t width = state.range(0), columns = state.range(1);
    const diamond::eigen::context context{.threads = 1};
    batch points(context, dimension, 1000);
    diamond::draw_normal(philox{3}.stream(diamond::purpose::data), points.mutable_view());
    const diamond::training_set<batch> data(std::move(points), 0.2);
    const diamond::diamond_training_options options{
        .steps = 1 << 30, .batch = columns, .diagonal = 0.0, .diagonal_first = 0.0};
    diamond::diamond_trainer trainer(
        Network({},
                diamond::gaussian_frame<batch>(
                    context, {std::vector<double>(dimension), std::vector<double>(dimension, 1.0), {}}),
                {.mlp = {.width = width, .blocks = 4}}),
        data, philox{1}, options, diamond::both_ways_pair{}, Loss{}, diamond::hutchinson_trace<>{});
    auto training = trainer.start();
    constexpr passes count = with_trace<Network>(Loss{});
    const auto& layers = trainer.network().layers();
    diamond_benchmarks::bare_products all(layers, columns, count.whole),
        others(std::vector(layers.begin() + 1, layers.end()), columns, count.others);
    diamond_benchmarks::against(
        state, "products", [&] { trainer.step(training); },
        [&] {
            all();
            others();
        });
    diamond_benchmarks::shares(state);
}

#define LOSS(network, loss)                                                                                  \
    BENCHMARK(step<network, diamond::loss>)                                                                  \
        ->ArgNames({"width", "columns"})                                                                     \
        ->Args({256, 4096})                                                                                  \
        ->Apply(diamond_benchmarks::in_milliseconds)
LOSS(plain, lagrangian_loss);
LOSS(plain, eulerian_loss);
LOSS(plain, mean_flow_loss);
LOSS(plain, semigroup_loss);
LOSS(joint, lagrangian_loss);
LOSS(joint, eulerian_loss);
LOSS(joint, mean_flow_loss);
LOSS(joint, semigroup_loss);

/// A step of AdamW with its clipping against a copy of as much traffic: the gradient is read twice,
/// parameters and both moments are read and written.
void adam_w_step(benchmark::State& state) {
    const index_t parameters = state.range(0);
    const diamond::eigen::context context{.threads = 1};
    batch theta(context, parameters, 1), mean(context, parameters, 1), variance(context, parameters, 1),
        gradient(context, parameters, 1);
    for (batch* zero : {&mean, &variance}) std::fill_n(zero->data(), parameters, 0.0f);
    for (batch* normal : {&theta, &gradient})
        diamond::draw_normal(philox{4}.stream(diamond::purpose::user), normal->mutable_view());
    diamond::owning_batch<diamond::clipped_norm, diamond::eigen::context> norm(context, 1, 1);
    index_t k = 0;
    diamond_benchmarks::against(
        state, "copy",
        [&] {
            diamond::adam_w<batch>({}, {.k = k++, .rate = 1e-3}, {theta, mean, variance}, gradient.read(),
                                   norm.data());
        },
        diamond_benchmarks::copy_ceiling(8.0 * sizeof(float) * static_cast<double>(parameters)));
}
BENCHMARK(adam_w_step)
    ->ArgName("parameters")
    ->Arg(1'000'000)
    ->Arg(30'000'000)
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
