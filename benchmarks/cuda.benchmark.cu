// A Diamond step, an SMC run and a training step on a GPU, for networks of three widths, each against two
// ceilings measured in the same run: cuBLAS at the same shapes and precision, and a copy of the layers'
// states within the device. Run it by cmake/gpu.cmake; without a device it fails.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>

#include "against.hpp"
#include "layers_of_shared_times.hpp"

namespace {

using diamond::index_t, diamond::philox, diamond::transpose;
using batch = diamond::cuda::batch<float>;
using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using network = diamond::trained_network<architecture>;

constexpr index_t dimension = 64, blocks = 4; // the shipped networks' but for the width

architecture network_of(const diamond::cuda::context& context, index_t width) {
    return {{},
            diamond::gaussian_frame<batch>(
                context, {std::vector<double>(dimension), std::vector<double>(dimension, 1.0), {}}),
            {.mlp = {.width = width, .blocks = blocks}}};
}
network trained(const diamond::cuda::context& context, index_t width) {
    const architecture layers = network_of(context, width);
    batch theta(context, layers.parameters(), 1);
    layers.initialise(philox{1}, theta.mutable_view());
    return {layers, std::move(theta)};
}

/// W h of each layer for `columns` columns, `passes` times, by cuBLAS on the context's stream.
class bare_products {
public:
    bare_products(const diamond::cuda::context& context, std::vector<diamond::dense_layer> layers,
                  index_t columns, double passes)
        : context_(context), layers_(std::move(layers)), columns_(columns), passes_(passes) {
        index_t widest = 0;
        for (const auto& layer : layers_) widest = std::max({widest, layer.inputs, layer.outputs});
        weights_.resize(context, widest, widest);
        from_.resize(context, widest, columns);
        to_.resize(context, widest, columns);
        for (batch* each : {&weights_, &from_})
            diamond::draw_normal(philox{2}.stream(diamond::purpose::user), each->mutable_view());
    }
    void operator()() {
        for (double pass = 0.0; pass < passes_; ++pass)
            for (const auto& layer : layers_) {
                const auto part = [&](batch& of, index_t rows, index_t columns) {
                    return diamond::view_t<batch>(of.data(), rows, columns, &context_);
                };
                context_.product<float>(transpose::no, part(weights_, layer.outputs, layer.inputs),
                                        part(from_, layer.inputs, columns_),
                                        part(to_, layer.outputs, columns_));
            }
        context_.wait();
    }

private:
    const diamond::cuda::context& context_;
    std::vector<diamond::dense_layer> layers_;
    index_t columns_;
    double passes_;
    batch weights_, from_, to_;
};
/// Every layer's state read and written once, `passes` times, layer by layer: a copy of all at once would not
/// fit beside a large batch.
class bare_copies {
public:
    bare_copies(const diamond::cuda::context& context, std::vector<diamond::dense_layer> layers,
                index_t columns, double passes)
        : context_(context), layers_(std::move(layers)), columns_(columns), passes_(passes) {
        index_t widest = 0;
        for (const auto& layer : layers_) widest = std::max({widest, layer.inputs, layer.outputs});
        from_.resize(context, widest, columns);
        to_.resize(context, widest, columns);
    }
    void operator()() {
        for (double pass = 0.0; pass < passes_; ++pass)
            for (const auto& layer : layers_)
                context_.copy(from_.data(), (layer.inputs + layer.outputs) / 2 * columns_, to_.data());
        context_.wait();
    }

private:
    const diamond::cuda::context& context_;
    std::vector<diamond::dense_layer> layers_;
    index_t columns_;
    double passes_;
    batch from_, to_;
};

/// The subject and both ceilings, in turn: the fastest of each in ms, and the ceilings' times over the
/// subject's.
template <class Subject>
void against_both(benchmark::State& state, const diamond::cuda::context& context,
                  const std::vector<diamond::dense_layer>& layers, index_t columns, double passes,
                  Subject subject) {
    using diamond_benchmarks::seconds, diamond_benchmarks::wall_time;
    bare_products products(context, layers, columns, passes);
    bare_copies copies(context, layers, columns, passes);
    const auto whole = [&] {
        subject();
        context.wait();
    };
    double fastest = 1e300, of_products = 1e300, of_copies = 1e300;
    for (int warm_up = 0; warm_up < 2; ++warm_up) whole();
    products();
    copies();
    for (auto _ : state) {
        of_products = std::min(of_products, seconds(wall_time, products));
        of_copies = std::min(of_copies, seconds(wall_time, copies));
        const double taken = seconds(wall_time, whole);
        fastest = std::min(fastest, taken);
        state.SetIterationTime(taken);
    }
    state.SetLabel(context.device_name());
    state.counters["fastest_ms"] = 1e3 * fastest;
    state.counters["products_ms"] = 1e3 * of_products;
    state.counters["copies_ms"] = 1e3 * of_copies;
    state.counters["products_share"] = of_products / fastest;
    state.counters["copies_share"] = of_copies / fastest;
}

void diamond_step(benchmark::State& state) {
    const diamond::cuda::context context;
    const auto net = trained(context, state.range(0));
    const index_t n = state.range(1);
    diamond::early_stop_kernel kernel{diamond::network_diamond_map{net}};
    batch x(context, dimension, n), out(context, dimension, n);
    diamond::draw_normal(philox{3}.stream(diamond::purpose::initial), x.mutable_view());
    against_both(state, context, diamond_benchmarks::layers_of_shared_times(net), n, 1, [&] {
        kernel(x.read(), {0.3, 0.6}, {}, philox{4}.stream(diamond::purpose::transition, 1),
               out.mutable_view());
    });
}

/// Eight steps with two value samples and no pilot: the first values, and a transition and values at each
/// step but the last, whose values are the rewards.
void smc_run(benchmark::State& state) {
    constexpr index_t steps = 8, samples = 2;
    const diamond::cuda::context context;
    const auto net = trained(context, state.range(0));
    const index_t n = state.range(1);
    const diamond::network_diamond_map map{net};
    const diamond::linear_reward<batch> reward{context, std::vector<float>(dimension, 0.05f)};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = samples}},
        {.particles = n, .steps = steps, .least_conditional_ess = 0.0, .log_delta = -diamond::infinity}};
    const double evaluations = static_cast<double>(sampler(context, philox{5}).spent.forward) /
                               static_cast<double>(n);
    against_both(state, context, diamond_benchmarks::layers_of_shared_times(net), n, evaluations,
                 [&] { static_cast<void>(sampler(context, philox{5})); });
    state.counters["evaluations"] = evaluations;
}

/// Two passes forward, value and tangent, four back less the first layer's two, one of the target.
void training_step(benchmark::State& state) {
    const diamond::cuda::context context;
    const auto net = network_of(context, state.range(0));
    const index_t n = state.range(1);
    batch points(context, dimension, 1000);
    diamond::draw_normal(philox{6}.stream(diamond::purpose::data), points.mutable_view());
    const diamond::training_set<batch> data(std::move(points), 0.2); // which the trainer refers to
    diamond::diamond_trainer trainer(net, data, philox{1},
                                     {.steps = 1 << 30, .batch = n, .diagonal = 0.0, .diagonal_first = 0.0});
    auto training = trainer.start();
    against_both(state, context, net.layers(), n, 7, [&] { trainer.step(training); });
}

void widths_and_particles(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgsProduct({{64, 128, 512}, {10'000, 100'000, 1'000'000}})->ArgNames({"width", "particles"});
}

/// A large batch of a wide network does not fit on every device.
template <void (*Body)(benchmark::State&)>
void where_it_fits(benchmark::State& state) {
    try {
        Body(state);
    } catch (const diamond::cuda::error& error) {
        if (error.code() != cudaErrorMemoryAllocation) throw;
        state.SkipWithError(error.what());
    }
}

BENCHMARK(where_it_fits<diamond_step>)
    ->Name("diamond_step")
    ->Apply(diamond_benchmarks::in_milliseconds)
    ->Apply(widths_and_particles)
    ->Iterations(20);
BENCHMARK(where_it_fits<smc_run>)
    ->Name("smc_run")
    ->Apply(diamond_benchmarks::in_milliseconds)
    ->Apply(widths_and_particles)
    ->Iterations(3);
BENCHMARK(where_it_fits<training_step>)
    ->Name("training_step")
    ->Apply(diamond_benchmarks::in_milliseconds)
    ->Apply(widths_and_particles)
    ->Iterations(10);

} // namespace
