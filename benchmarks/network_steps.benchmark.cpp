// Whole steps of a Diamond network, d = 64 and four residual blocks, as users run them, against the products
// they cannot do without, by bare Eigen at the same shapes in the same run: `share` is the products' time
// over ours.
#include <memory>
#include <utility>
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
using network = diamond::diamond_mlp<batch, diamond::linear_schedule>;
using map = diamond::network_diamond_map<diamond::trained_network<network>>;

constexpr index_t d = 64;

struct bright {
    static constexpr bool column_parallel = true;
    template <class Column>
    double operator()(const Column& z) const {
        double sum = 0.0;
        for (index_t i = 0; i < d; ++i) sum += static_cast<double>(z[i]);
        return 0.1 * sum;
    }
};

network make_network(const diamond::eigen::context& context, index_t width) {
    return {{},
            diamond::gaussian_frame<batch>(context,
                                           {std::vector<double>(d, 0.0), std::vector<double>(d, 1.0), {}}),
            {.mlp = {.width = width, .blocks = 4}}};
}
map make_map(const network& net, const diamond::eigen::context& context) {
    batch theta(context, net.parameters(), 1);
    net.initialise(philox{1}, theta.mutable_view());
    return map(diamond::trained_network(net, std::move(theta)));
}

/// A transition by early stop: one evaluation a particle.
struct diamond_step {
    diamond::eigen::context context;
    network net;
    diamond::early_stop_kernel<map> kernel;
    batch x, next;

    diamond_step(int threads, index_t width, index_t columns)
        : context{.threads = threads},
          net(make_network(context, width)),
          kernel(make_map(net, context)),
          x(context, d, columns),
          next(context, d, columns) {
        diamond::draw_normal(philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    }
    static constexpr double evaluations = 1.0;
    void operator()() {
        kernel(x.read(), {0.3, 0.5}, diamond::labels(), philox{3}.stream(diamond::purpose::transition),
               next.mutable_view());
    }
};

/// SMC in 8 steps with values of two draws: a transition and two draws a particle and step, and no pilot.
struct smc_run {
    diamond::eigen::context context;
    network net;
    map draws;
    using posterior = diamond::diamond_map_posterior<map>;
    diamond::smc<diamond::early_stop_kernel<map>, diamond::posterior_value<posterior, bright>> sampler;

    smc_run(int threads, index_t width, index_t columns)
        : context{.threads = threads},
          net(make_network(context, width)),
          draws(make_map(net, context)),
          sampler(diamond::early_stop_kernel<map>(draws),
                  diamond::posterior_value<posterior, bright>(posterior(draws), bright{}, {.samples = 2}),
                  {.particles = columns, .steps = 8, .log_delta = -10.0}) {}
    /// The values at t = 0 and at 7 times behind it; at t = 1 the reward itself is the value.
    static constexpr double evaluations = 8.0 + 2.0 * 8.0;
    void operator()() { benchmark::DoNotOptimize(sampler(context, philox{1}).log_z); }
};

template <class Step>
void whole(benchmark::State& state) {
    Step step(1, state.range(0), state.range(1));
    diamond_benchmarks::against(
        state, "products", [&] { step(); },
        diamond_benchmarks::bare_products(step.net.layers(), state.range(1), Step::evaluations));
    state.counters["share"] = 1.0 / state.counters["ratio"];
}
template <class Step>
void on_two_threads(benchmark::State& state) {
    Step one(1, state.range(0), state.range(1)), two(2, state.range(0), state.range(1));
    diamond_benchmarks::in_wall_time(state, one, two);
}

#define WIDTHS(columns) ArgNames({"width", "columns"})->ArgsProduct({{64, 128, 256, 512}, {columns}})
BENCHMARK(whole<diamond_step>)
    ->Name("diamond_step")
    ->WIDTHS(10000)
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(whole<smc_run>)->Name("smc_run")->WIDTHS(4096)->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(on_two_threads<diamond_step>)
    ->Name("diamond_step_on_two_threads")
    ->WIDTHS(10000)
    ->Apply(diamond_benchmarks::in_milliseconds);
BENCHMARK(on_two_threads<smc_run>)
    ->Name("smc_run_on_two_threads")
    ->WIDTHS(4096)
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
