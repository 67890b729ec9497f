// Trains a Diamond network from draws of a model, and shows how far it is.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/map/network_flow.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

#include "../training_line.hpp"

namespace learned {

using diamond::index_t;
using diamond::linear_schedule;
using batch        = diamond::eigen::batch<float>;
using context      = diamond::eigen::context;
using architecture = diamond::diamond_mlp<batch, linear_schedule>;
using network      = diamond::trained_diamond_network<architecture>;

struct training_options {
    index_t steps = 10000, batch = 512, width = 128, blocks = 3;
    double rate = 1e-2;
};

/// The losses over the training, and how long it took.
struct training_curves {
    diamond::loss_curve losses;
    double seconds = 0.0;
};

/// A Diamond network that has seen draws of the model and nothing else.
template <class Model>
std::pair<network, training_curves> train(const context& where, const std::string& name, const Model& model, const training_options& chosen,
                                          diamond::philox rng) {
    constexpr index_t points = 1 << 20; // as good as fresh draws: 10000 steps of 512 see each five times
    batch drawn(where, 2, points);
    model.draw(rng.split(1).stream(diamond::purpose::data), drawn.mutable_view());
    const diamond::training_set<batch> data(std::move(drawn), 0.0);

    // Training works in the coordinates of the data's Gaussian; the network that leaves takes its basis along.
    const diamond::gaussian_frame<batch> frame(where, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    const diamond::diamond_mlp_options shape{.mlp = {.width = chosen.width, .blocks = chosen.blocks}};
    diamond::diamond_training_options<> options{
        .steps = chosen.steps, .batch = chosen.batch, .rate = {.peak = chosen.rate}, .average = 0.998};
    options.rate.warm_up = std::min(options.rate.warm_up, chosen.steps / 10);
    diamond::diamond_trainer trainer(
        architecture({}, diamond::gaussian_frame<batch>(where, diamond::in_own_coordinates(frame.numbers())), shape), inside, rng.split(2),
        options);

    const diamond::detail::stopwatch clock;
    examples::training_line line(name, diamond::time_left(options));
    auto state = trainer.start();
    trainer.run(state, [&](const diamond::training_report& report) {
        line(report);
        return true;
    });
    return {network(architecture({}, frame, shape), std::move(state.average)), training_curves{state.losses(), clock.seconds()}};
}

} // namespace learned
