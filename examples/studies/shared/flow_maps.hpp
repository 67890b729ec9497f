/// This header trains flow maps with a divergence in several ways, each of which composes parts of the
/// library.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/train/warm_start.hpp>

namespace studies {

using diamond::index_t;
using diamond::linear_schedule;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using architecture = diamond::diamond_mlp_with_divergence<batch, linear_schedule>;
using network = diamond::trained_network<architecture>;
using velocity_network = diamond::trained_network<diamond::diamond_mlp<batch, linear_schedule>>;

struct training_options {
    index_t steps = 10000, batch = 512, width = 128, blocks = 3;
    double rate = 5e-3;
};

/// This function is told how far a training is, by its name and report.
using progress = std::function<void(const std::string&, const diamond::training_report&)>;

/// This type holds what is trained on: draws of a law, and the frame of the networks. The frame is the
/// Gaussian of the draws without its correlation, so that the law itself, in its own coordinates, can be a
/// teacher.
struct subject_data {
    diamond::gaussian_frame<batch> frame;
    diamond::training_set<batch> points;
    diamond::diamond_mlp_options shape;

    template <class Model>
    static subject_data of(const context& where, const Model& model, const training_options& o,
                           diamond::philox rng) {
        constexpr index_t count = 1 << 20; // as good as fresh draws: 10000 steps of 512 see each five times
        batch drawn(where, 2, count);
        model.draw(rng.stream(diamond::purpose::data), drawn.mutable_view());
        diamond::training_set<batch> data(std::move(drawn), 0.0);
        const auto fitted = diamond::fit_gaussian_frame(data);
        diamond::gaussian_frame_numbers axes{fitted.mean, {0.0, 0.0}, {}};
        for (std::size_t k = 0; k < 2; ++k)
            for (std::size_t i = 0; i < 2; ++i)
                axes.variance[i] += diamond::square(fitted.basis[i + 2 * k]) * fitted.variance[k];
        return {diamond::gaussian_frame<batch>(where, std::move(axes)),
                std::move(data),
                {.mlp = {.width = o.width, .blocks = o.blocks}}};
    }
};

/// Returns the options of a training. [MF] puts most of the batch on the diagonal.
inline diamond::diamond_training_options options_of(const training_options& o, bool random_target) {
    diamond::diamond_training_options options{
        .steps = o.steps, .batch = o.batch, .rate = {.peak = o.rate}, .average = 0.998};
    if (random_target) options.diagonal = 0.75;
    options.rate.warm_up = std::min(options.rate.warm_up, o.steps / 10);
    return options;
}

namespace detail {
/// Returns the trainer of a flow map, which is a Diamond map at t = 0. Both directions are trained, for
/// samples and for densities. [MF] divides errors by their size.
template <class Network, class Loss, class... Teacher>
auto trainer_of(const Network& network, const subject_data& data, diamond::philox rng,
                const diamond::diamond_training_options& options, Loss loss, Teacher... teacher) {
    return diamond::diamond_trainer(network, data.points, rng, options, diamond::uniform_time{.at_zero = 1.0},
                                    diamond::both_ways_pair{},
                                    diamond::adaptive_weight{.random_power = Loss::random_target ? 1.0 : 0.0},
                                    diamond::exact_trace{}, loss, std::move(teacher)...);
}
template <class Trainer>
auto run(Trainer& trainer, diamond::training_state<batch>& state, const std::string& name,
         const progress& told) {
    trainer.run(state, [&](const diamond::training_report& report) {
        told(name, report);
        return true;
    });
    return trainer.averaged(state);
}
} // namespace detail

/// Trains by self-distillation from the data alone. LSD-F2D2 is lagrangian_loss, MeanFlow-F2D2 is
/// mean_flow_loss, and Shortcut-F2D2 is semigroup_loss{.midpoint = true}.
template <class Loss>
network train(const subject_data& data, const training_options& o, const std::string& name, Loss loss,
              diamond::philox rng, const progress& told) {
    auto trainer = detail::trainer_of(architecture({}, data.frame, data.shape), data, rng,
                                      options_of(o, Loss::random_target), loss);
    auto state = trainer.start();
    return {trainer.network(), detail::run(trainer, state, name, told)};
}

/// Trains a velocity by flow matching, and no more.
inline velocity_network train_velocity(const subject_data& data, const training_options& o,
                                       diamond::philox rng, const progress& told) {
    auto options = options_of(o, false);
    options.diagonal_first = 1.0;
    const diamond::diamond_mlp<batch, linear_schedule> plain({}, data.frame, data.shape);
    auto trainer = detail::trainer_of(plain, data, rng, options, diamond::lagrangian_loss{});
    auto state = trainer.start();
    return {plain, detail::run(trainer, state, "flow matching", told)};
}
/// Trains by distillation from a velocity: that of a trained network, with whose parameters it starts, or the
/// law's own. Shortcut-Distill-F2D2 is semigroup_loss{.midpoint = true}.
template <class Loss, class Velocity>
network distil(const subject_data& data, const training_options& o, const std::string& name, Loss loss,
               const Velocity& teacher, const velocity_network* start_from, diamond::philox rng,
               const progress& told) {
    auto options = options_of(o, Loss::random_target);
    options.diagonal_first = 0.2; // the velocities of a teacher are learned sooner than those of data
    auto trainer = detail::trainer_of(architecture({}, data.frame, data.shape), data, rng, options, loss,
                                      diamond::flow_teacher{diamond::exact_divergence{teacher}});
    auto state = trainer.start();
    if (start_from) {
        diamond::warm_start(trainer.network(), *start_from, state.theta.mutable_view());
        data.points.context().copy(state.theta.data(), state.theta.size(), state.average.data());
    }
    return {trainer.network(), detail::run(trainer, state, name, told)};
}

} // namespace studies
