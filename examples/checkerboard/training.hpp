// The ways to train a joint flow map, each a composition of the library's parts.
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

namespace joint {

using diamond::index_t;
using diamond::linear_schedule;
using batch        = diamond::eigen::batch<float>;
using context      = diamond::eigen::context;
using architecture = diamond::diamond_mlp_with_divergence<batch, linear_schedule>;
using network      = diamond::trained_network<architecture>;
using sampler      = diamond::trained_network<diamond::diamond_mlp<batch, linear_schedule>>;

struct training_options {
    index_t steps = 10000, batch = 512, width = 128, blocks = 3;
    double rate = 5e-3;
};

/// Tells how far a training is: its name and report.
using progress = std::function<void(const std::string&, const diamond::training_report&)>;

/// What is trained on: draws of a law, and the networks' frame, which is the draws' Gaussian without its correlation: so that the law itself, in
/// its own coordinates, can be a teacher.
struct subject_data {
    diamond::gaussian_frame<batch> frame;
    diamond::training_set<batch> points;
    diamond::diamond_mlp_options shape;

    template <class Model>
    static subject_data of(const context& where, const Model& model, const training_options& o, diamond::philox rng) {
        constexpr index_t count = 1 << 20; // as good as fresh draws: 10000 steps of 512 see each five times
        batch drawn(where, 2, count);
        model.draw(rng.stream(diamond::purpose::data), drawn.mutable_view());
        diamond::training_set<batch> data(std::move(drawn), 0.0);
        const auto fitted = diamond::fit_gaussian_frame(data);
        diamond::gaussian_frame_numbers axes{fitted.mean, {0.0, 0.0}, {}};
        for (std::size_t k = 0; k < 2; ++k)
            for (std::size_t i = 0; i < 2; ++i) axes.variance[i] += diamond::square(fitted.basis[i + 2 * k]) * fitted.variance[k];
        return {diamond::gaussian_frame<batch>(where, std::move(axes)), std::move(data), {.mlp = {.width = o.width, .blocks = o.blocks}}};
    }
};

namespace detail {
/// A flow map is a Diamond map at t = 0; both directions are trained, for samples and for densities.
template <class Loss>
auto options_of(const training_options& o, Loss loss) {
    diamond::diamond_training_options<diamond::uniform_time, diamond::both_ways_pair, diamond::adaptive_weight, Loss, diamond::exact_trace> options{
        .steps = o.steps, .batch = o.batch, .times = {.at_zero = 1.0}, .loss = loss, .rate = {.peak = o.rate}, .average = 0.998};
    if constexpr (Loss::random_target) { // [MF]: most of the batch on the diagonal, and errors divided by their size
        options.diagonal               = 0.75;
        options.weighting.random_power = 1.0;
    }
    options.rate.warm_up = std::min(options.rate.warm_up, o.steps / 10);
    return options;
}
template <class Trainer>
auto run(Trainer& trainer, diamond::training_state<batch>& state, const std::string& name, const progress& told) {
    trainer.run(state, [&](const diamond::training_report& report) {
        told(name, report);
        return true;
    });
    return trainer.averaged(state);
}
} // namespace detail

/// Self-distilled from the data alone. LSD-F2D2: lagrangian_loss; MeanFlow-F2D2: mean_flow_loss; Shortcut-F2D2: semigroup_loss{.midpoint = true}.
template <class Loss>
network train(const subject_data& data, const training_options& o, const std::string& name, Loss loss, diamond::philox rng, const progress& told) {
    diamond::diamond_trainer trainer(architecture({}, data.frame, data.shape), data.points, rng, detail::options_of(o, loss));
    auto state = trainer.start();
    return {trainer.network(), detail::run(trainer, state, name, told)};
}

/// Flow matching: a velocity, and no more.
inline sampler train_sampler(const subject_data& data, const training_options& o, diamond::philox rng, const progress& told) {
    auto options           = detail::options_of(o, diamond::lagrangian_loss{});
    options.diagonal_first = 1.0;
    const diamond::diamond_mlp<batch, linear_schedule> plain({}, data.frame, data.shape);
    diamond::diamond_trainer trainer(plain, data.points, rng, options);
    auto state = trainer.start();
    return {plain, detail::run(trainer, state, "flow matching", told)};
}
/// Distilled from a velocity: a trained sampler's, from whose parameters it starts, or the law's own.
/// Shortcut-Distill-F2D2: semigroup_loss{.midpoint = true}.
template <class Loss, class Velocity>
network distil(const subject_data& data, const training_options& o, const std::string& name, Loss loss, const Velocity& teacher, const sampler* start_from, diamond::philox rng,
               const progress& told) {
    auto options           = detail::options_of(o, loss);
    options.diagonal_first = 0.2; // a teacher's velocities are learned sooner than the data's
    diamond::diamond_trainer trainer(architecture({}, data.frame, data.shape), data.points, rng, options, diamond::flow_teacher{diamond::exact_divergence{teacher}});
    auto state = trainer.start();
    if (start_from) {
        diamond::warm_start(trainer.network(), *start_from, state.theta.mutable_view());
        data.points.context().copy(state.theta.data(), state.theta.size(), state.average.data());
    }
    return {trainer.network(), detail::run(trainer, state, name, told)};
}

} // namespace joint
