/// Trains Diamond networks of different layers on draws of the law, each for the same time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

#include <diamond/nn/trained_network.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

#include "../shared/training_line.hpp"
#include "problem.hpp"

namespace blobs {

struct options {
    double seconds = 60.0; ///< of each training, of all threads
    index_t batch = 128, points = 1 << 18, states = 500, draws = 64;
    double rate = 2e-3;
    std::uint64_t seed = 1;
    index_t seeds = 1;
    int threads = 0;
    std::string out = "out/blobs";
};

struct training_figures {
    index_t parameters = 0, steps = 0;
    double seconds = 0.0, diagonal_loss = 0.0, off_diagonal_loss = 0.0;
};

[[nodiscard]] inline diamond::diamond_training_options options_of(const options& chosen, index_t steps) {
    diamond::diamond_training_options training{
        .steps = steps, .batch = chosen.batch, .rate = {.peak = chosen.rate}, .average = 0.998};
    training.rate.warm_up = std::min<index_t>(training.rate.warm_up, steps / 10);
    return training;
}

/// A network on the CPU, as its training left it.
template <class Architecture>
struct trained {
    diamond::trained_network<Architecture> network;
    training_figures figures;
};

/// The seconds that the program's threads have worked, which do not count what else the machine does.
[[nodiscard]] inline double worked(const context& where) {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC / static_cast<double>(where.concurrency());
}

/// Trains for about so many seconds: as many steps as fit, of which the learning rate knows, after a few that
/// say how long one takes. `own` is the network in the coordinates of `data`, `whole` in those of images.
template <class Architecture>
trained<Architecture> train(const std::string& name, const Architecture& own, const Architecture& whole,
                            const diamond::training_set<batch>& data, const options& chosen,
                            diamond::philox rng) {
    const auto trainer_of = [&](index_t steps) {
        return diamond::diamond_trainer(own, data, rng, options_of(chosen, steps));
    };
    constexpr index_t tried = 20;
    auto trial = trainer_of(2 * tried); // the first of which are on the diagonal, as are most of a training
    auto state = trial.start();
    trial.step(state);
    const double before_trial = worked(data.context());
    while (state.step < 2 * tried) trial.step(state);
    static_cast<void>(trial.report(state));
    const double a_step = (worked(data.context()) - before_trial) / static_cast<double>(2 * tried - 1);
    const auto steps = std::max<index_t>(static_cast<index_t>(chosen.seconds / a_step), 100);

    auto trainer = trainer_of(steps);
    const double before = worked(data.context());
    studies::training_line line(name, diamond::time_left(options_of(chosen, steps)));
    state = trainer.start();
    trainer.run(state, [&](const diamond::training_report& report) {
        line(report);
        return true;
    });
    const auto last = trainer.report(state);
    return {.network = {whole, trainer.averaged(state)},
            .figures = {own.parameters(), steps, worked(data.context()) - before, last.diagonal_loss,
                        last.off_diagonal_loss}};
}

} // namespace blobs
