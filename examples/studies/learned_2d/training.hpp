/// This header trains a Diamond network from points of a law, on any back end, and shows its progress.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

#include "../shared/training_line.hpp"
#include "training_options.hpp"

namespace learned {

/// Trains a Diamond network that sees the points and nothing else.
template <class Context>
training_result train(const Context& where, const std::string& name, const std::vector<float>& points,
                      const training_options& chosen, diamond::philox rng) {
    using batch = diamond::owning_batch<float, Context>;
    const diamond::training_set<batch> data(
        diamond::from_host<float>(where, 2, static_cast<index_t>(points.size() / 2), points), 0.0);

    // Training works in the coordinates of the Gaussian of the data, and the finished network takes the basis
    // with it.
    const diamond::gaussian_frame<batch> frame(where, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    diamond::diamond_training_options options{
        .steps = chosen.steps, .batch = chosen.batch, .rate = {.peak = chosen.rate}, .average = 0.998};
    options.rate.warm_up = std::min(options.rate.warm_up, chosen.steps / 10);
    diamond::diamond_trainer trainer(
        diamond::diamond_mlp<batch, diamond::linear_schedule>(
            {}, diamond::gaussian_frame<batch>(where, diamond::in_own_coordinates(frame.numbers())),
            shape_of(chosen)),
        inside, rng, options);

    const diamond::stopwatch clock;
    studies::training_line line(name, diamond::time_left(options));
    auto state = trainer.start();
    trainer.run(state, [&](const diamond::training_report& report) {
        line(report);
        return true;
    });
    return {where.device_name(), frame.numbers(), diamond::to_host(state.average), state.losses(),
            clock.seconds()};
}

} // namespace learned
