// Whole steps of a Diamond network, d = 64 and four residual blocks, as users run them: a transition, an SMC
// run and a training step. The network and the jobs are those of peers/cases.hpp.
#pragma once

#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "peers/cases.hpp"

namespace diamond_benchmarks {

using diamond::index_t, diamond::philox;
using context_type = diamond::eigen::context;
using batch = peers::batch_of<context_type>;
using map = diamond::network_diamond_map<peers::network_of<context_type>>;

/// A network on so many threads.
struct on_threads {
    context_type context;
    peers::network_of<context_type> net;

    on_threads(int threads, index_t width)
        : context{.threads = threads}, net(peers::stirred(context, width)) {}
};

/// A transition by early stop: one evaluation a particle.
struct diamond_step : on_threads {
    diamond::early_stop_kernel<map> kernel;
    batch x, next;

    diamond_step(int threads, index_t width, index_t columns)
        : on_threads(threads, width),
          kernel(map(net)),
          x(context, peers::dimension, columns),
          next(context, peers::dimension, columns) {
        diamond::draw_normal(philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    }
    static constexpr double evaluations = 1.0;
    void operator()() {
        kernel(x.read(), {0.3, 0.6}, diamond::labels(), philox{3}.stream(diamond::purpose::transition),
               next.mutable_view());
    }
};

/// SMC in 8 steps with values of two draws, and no pilot.
struct smc_run : on_threads {
    using value = diamond::posterior_value<diamond::diamond_map_posterior<map>,
                                           diamond::linear_reward<batch>>;
    diamond::smc<diamond::early_stop_kernel<map>, value> sampler;

    smc_run(int threads, index_t width, index_t columns)
        : on_threads(threads, width), sampler(peers::smc_of(context, net, columns)) {}
    /// A transition a step, and values at the seven times between the first, whose value is a constant, and
    /// the last, whose value is the reward.
    static constexpr double evaluations = 8.0 + 2.0 * 7.0;
    void operator()() { benchmark::DoNotOptimize(sampler(context, philox{1}).log_z); }
};

/// A step of the Lagrangian loss off the diagonal, of 1,000 points.
struct training_step : on_threads {
    diamond::training_set<batch> data;
    diamond::diamond_trainer<peers::architecture_of<context_type>> trainer;
    diamond::training_state<batch> state;

    training_step(int threads, index_t width, index_t columns)
        : on_threads(threads, width),
          data(peers::normals(context, philox{3}.stream(diamond::purpose::data), 1000), 0.2),
          trainer(net.architecture(), data, philox{1},
                  {.steps = 1 << 30, .batch = columns, .diagonal = 0.0, .diagonal_first = 0.0}),
          state(trainer.start()) {}
    void operator()() { trainer.step(state); }
};

} // namespace diamond_benchmarks
