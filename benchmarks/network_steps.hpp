// Whole steps of a Diamond network, d = 64 and four residual blocks, as users run them: a transition, an SMC
// run and a training step.
#pragma once

#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/train/diamond_trainer.hpp>

namespace diamond_benchmarks {

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
                  {.particles = columns,
                   .steps = 8,
                   .least_conditional_ess = 0.0,
                   .log_delta = -diamond::infinity}) {}
    /// The values at t = 0 and at 7 times behind it; at t = 1 the reward itself is the value.
    static constexpr double evaluations = 8.0 + 2.0 * 8.0;
    void operator()() { benchmark::DoNotOptimize(sampler(context, philox{1}).log_z); }
};

/// A step of the Lagrangian loss off the diagonal, of 1,000 points.
struct training_step {
    diamond::eigen::context context;
    diamond::training_set<batch> data;
    network net;
    diamond::diamond_trainer<network> trainer;
    diamond::training_state<batch> state;

    training_step(int threads, index_t width, index_t columns)
        : context{.threads = threads},
          data(points(context), 0.2),
          net(make_network(context, width)),
          trainer(net, data, philox{1},
                  {.steps = 1 << 30, .batch = columns, .diagonal = 0.0, .diagonal_first = 0.0}),
          state(trainer.start()) {}
    void operator()() { trainer.step(state); }

private:
    static batch points(const diamond::eigen::context& context) {
        batch result(context, d, 1000);
        diamond::draw_normal(philox{3}.stream(diamond::purpose::data), result.mutable_view());
        return result;
    }
};

} // namespace diamond_benchmarks
