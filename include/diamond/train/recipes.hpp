/// Recipes: points become a Diamond map, or a flow map with densities, in one call.
///
/// A recipe composes what a training needs and what must agree: the smoothed points, their Gaussian frame,
/// the points in its coordinates, the network there, the trainer, and the trained network in the points' own
/// coordinates. Where a training is saved and resumed, or stopped between steps, `diamond_map_training` and
/// `flow_map_training` are the same composition with its parts at hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/dit.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/nn/unet.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

namespace diamond {

/// The smoothing, conditions, network, numbers and observer of a training by a recipe.
struct recipe_options {
    /// The noise that makes the points a distribution: a tenth of their standard deviation in every
    /// direction.
    smoothing smooth = {};
    std::vector<std::int32_t> labels = {}; ///< the class 0, 1, ... of each point, or none at all
    /// The numbers of the vector that each point is conditioned on, those of one point behind those of
    /// another, or none at all.
    std::vector<double> vectors = {};
    /// The width, blocks and activation of the layers; not read where the recipe is given a network of
    /// images.
    mlp_options network = {.width = 128, .blocks = 3};
    /// Steps, batch, rates and weights of the training.
    diamond_training_options training = {.steps = 4000, .batch = 256, .report_every = 100};
    /// Sees every `training.report_every`-th step and the last; false ends the training there, and the
    /// network is that of the steps so far.
    std::function<bool(const training_report&)> observer = {};
};

namespace detail {
/// Policies that recipes of Diamond maps and of flow maps begin with; those given take their place.
struct diamond_map_defaults {
    using times = uniform_time;
    using pairs = triangle_pair;
};
struct flow_map_defaults {
    /// Draws t = 0 in every column, since flow maps are Diamond maps at t = 0.
    struct times : uniform_time {
        times() : uniform_time{.at_zero = 1.0} {}
    };
    using pairs = both_ways_pair;
};
} // namespace detail

namespace detail {
/// Runs a training to its end or until the observer ends it. @throws numeric_error where a loss is beyond
/// what errors of a network can be: off the diagonal a flow whose velocity is steep can carry a training
/// away.
template <class Trainer, class State>
void run_watched(Trainer& trainer, State& state,
                 const std::function<bool(const training_report&)>& observer) {
    // Losses are mean squared errors in units of what a network can know: 1 is that of the Gaussian alone.
    constexpr double most = 100.0;
    trainer.run(state, [&](const training_report& at) {
        const double losses[] = {at.diagonal_loss, at.off_diagonal_loss, at.diagonal_divergence_loss,
                                 at.off_diagonal_divergence_loss};
        for (const double loss : losses)
            if (!(loss <= most))
                throw numeric_error(
                    "the training broke down: its loss is " + digits_of(loss) +
                        ". Give the points more noise (smooth.bandwidth of a twentieth of their "
                        "deviation often does), another loss, as semigroup_loss{.midpoint = true}, "
                        "or a lower rate",
                    static_cast<long>(at.step), -1L);
        return !observer || observer(at);
    });
}
} // namespace detail

namespace detail {
/// Names the networks that recipes make, by their options.
template <class Batch, class Head>
diamond_mlp<Batch, linear_schedule, Head> network_of(const diamond_mlp_options&);
template <class Batch, class Head>
diamond_unet<Batch, linear_schedule, Head> network_of(const unet_options&);
template <class Batch, class Head>
diamond_dit<Batch, linear_schedule, Head> network_of(const dit_options&);
template <class Shape, class Batch, class Head>
using network_of_t = decltype(network_of<Batch, Head>(std::declval<const Shape&>()));
} // namespace detail

/// The options of a network of images that a recipe can train: unet_options or dit_options, whose classes are
/// those of the labels and need not be given.
template <class Shape>
concept image_network_options = std::same_as<Shape, unet_options> || std::same_as<Shape, dit_options>;

/// A training by a recipe with its parts at hand. `Shape` is the options of its network, `Head` is no_head
/// for a Diamond map and divergence_head for a flow map with divergence; `Defaults` are the time and pair
/// samplers where no policy says others.
template <class Batch, class Shape, class Head, class Defaults, class... Policies>
class recipe_training {
    using architecture = detail::network_of_t<Shape, Batch, Head>;
    static_assert(diagnose_training_policies<architecture, Policies...>());
    template <detail::training_role Role, class Default>
    using chosen = detail::policy_of<Role, architecture, Default, Policies...>;
    using role = detail::training_role;
    static_assert(
        std::is_same_v<chosen<role::velocities, no_teacher>, no_teacher>,
        "a recipe trains from points alone, in coordinates of its own in which a teacher of yours would "
        "mean something else: compose a diamond_trainer for it");

public:
    using context_type = backend_of_t<Batch>;
    /// What network() returns: the trained network in the points' own coordinates.
    using network_type = trained_network<architecture>;
    /// The trainer that the recipe composes, with its default policies where none of their role is given.
    using trainer_type = diamond_trainer<architecture, chosen<role::times, typename Defaults::times>,
                                         chosen<role::pairs, typename Defaults::pairs>,
                                         chosen<role::weighting, adaptive_weight>,
                                         chosen<role::loss, lagrangian_loss>,
                                         chosen<role::trace, default_trace>, chosen<role::sum, whole_batch>>;
    /// What a training keeps, and what is saved and resumed.
    using state_type = typename trainer_type::state_type;

    /// Takes points, d x n, in the memory of a context, which must outlive the training. @throws
    /// std::invalid_argument as smooth_points and diamond_trainer do.
    recipe_training(Batch points, philox rng, const recipe_options& options = {}, Policies... policies)
        requires std::same_as<Shape, diamond_mlp_options>
        : recipe_training(std::move(points), rng, Shape{.mlp = options.network}, options,
                          std::move(policies)...) {}
    /// The same for a network of these options. @throws as above, and where a network of images does not fit.
    recipe_training(Batch points, philox rng, Shape network, const recipe_options& options,
                    Policies... policies)
        : data_(std::make_unique<framed_points<Batch>>(smoothed(points, options))),
          network_({}, data_->frame, frame_of_vectors(data_->inside),
                   with_classes(std::move(network), data_->inside.classes()), head_for(*data_)),
          trainer_(in_own_coordinates_of(network_, points.context()), data_->inside, rng, options.training,
                   detail::take_policy<role::times, architecture, typename Defaults::times>(policies...),
                   detail::take_policy<role::pairs, architecture, typename Defaults::pairs>(policies...),
                   detail::take_policy<role::weighting, architecture, adaptive_weight>(policies...),
                   detail::take_policy<role::loss, architecture, lagrangian_loss>(policies...),
                   detail::take_policy<role::trace, architecture, default_trace>(policies...),
                   detail::take_policy<role::sum, architecture, whole_batch>(policies...)) {}

    /// Returns the trainer, whose start(), step(), run() and report() move a state, and whose states
    /// io::save_training keeps.
    [[nodiscard]] trainer_type& trainer() { return trainer_; }
    /// Returns the Gaussian frame of the smoothed points.
    [[nodiscard]] const gaussian_frame<Batch>& frame() const { return data_->frame; }
    /// Returns the network of a state's moving average, in the points' own coordinates. @throws as
    /// diamond_trainer::averaged does.
    [[nodiscard]] network_type network(const state_type& state) const {
        return {network_, trainer_.averaged(state)};
    }

private:
    /// Smooths the points, in principal directions, or pixel by pixel where the network is one of images.
    [[nodiscard]] static framed_points<Batch> smoothed(const Batch& points, const recipe_options& options) {
        if constexpr (image_network_options<Shape>)
            return smooth_pixels(points, options.smooth, options.labels, vectors_of(points, options.vectors));
        else
            return smooth_points(points, options.smooth, options.labels, vectors_of(points, options.vectors));
    }
    [[nodiscard]] static Shape with_classes(Shape shape, index_t classes) {
        shape.classes = classes;
        return shape;
    }
    [[nodiscard]] static architecture in_own_coordinates_of(architecture network,
                                                            const context_type& context) {
        network.leave_basis(context);
        return network;
    }
    /// Brings the numbers of vectors into the memory of the points' context.
    [[nodiscard]] static Batch vectors_of(const Batch& points, const std::vector<double>& numbers) {
        if (numbers.empty()) return {};
        const index_t count = static_cast<index_t>(numbers.size()), n = points.columns();
        require(n > 0 && count % n == 0, [&] {
            return "a recipe of " + digits_of(n) + " points was given " + digits_of(count) +
                   " numbers of vectors: as many for each point are needed";
        });
        using real = typename Batch::value_type;
        return from_host<real>(points.context(), count / n, n,
                               std::vector<real>(numbers.begin(), numbers.end()));
    }
    [[nodiscard]] static std::optional<gaussian_frame<Batch>> frame_of_vectors(
        const training_set<Batch>& data) {
        if (data.vectors().size() == 0) return std::nullopt;
        return gaussian_frame<Batch>(data.context(), fit_vector_frame(data));
    }
    /// The finest detail of the distribution is its least noise.
    [[nodiscard]] static Head head_for(const framed_points<Batch>& data) {
        if constexpr (std::is_same_v<Head, divergence_head>) {
            const auto& noise = data.inside.bandwidths();
            const auto& variance = data.frame.numbers().variance;
            // Without noise the resolution is a thousandth of the least deviation.
            const double least = 1e-3 * std::sqrt(*std::min_element(variance.begin(), variance.end()));
            return {.resolution = std::max(*std::min_element(noise.begin(), noise.end()), least)};
        } else {
            return {};
        }
    }

    std::unique_ptr<framed_points<Batch>> data_; ///< the trainer keeps its address
    architecture network_;
    trainer_type trainer_;
};

/// The training of a Diamond map from points. See train_diamond_map.
template <class Batch, class... Policies>
class diamond_map_training
    : public recipe_training<Batch, diamond_mlp_options, no_head, detail::diamond_map_defaults, Policies...> {
public:
    using recipe_training<Batch, diamond_mlp_options, no_head, detail::diamond_map_defaults,
                          Policies...>::recipe_training;
};
/// The training of a flow map with divergence from points. See train_flow_map.
template <class Batch, class... Policies>
class flow_map_training : public recipe_training<Batch, diamond_mlp_options, divergence_head,
                                                 detail::flow_map_defaults, Policies...> {
public:
    using recipe_training<Batch, diamond_mlp_options, divergence_head, detail::flow_map_defaults,
                          Policies...>::recipe_training;
};

/// Deduces the batch and the policies.
template <class Batch, class... Policies>
diamond_map_training(Batch, philox, recipe_options, Policies...) -> diamond_map_training<Batch, Policies...>;
/// Deduces the batch.
template <class Batch>
diamond_map_training(Batch, philox) -> diamond_map_training<Batch>;
/// Deduces the batch and the policies.
template <class Batch, class... Policies>
flow_map_training(Batch, philox, recipe_options, Policies...) -> flow_map_training<Batch, Policies...>;
/// Deduces the batch.
template <class Batch>
flow_map_training(Batch, philox) -> flow_map_training<Batch>;

/// Trains a Diamond map of the distribution of points, d x n, each with fresh noise N(0, H): a
/// network_diamond_map of a diamond_mlp on the linear schedule, whose network() io::save_network keeps.
///
/// `policies` are those of diamond_trainer, in any order and any subset, except a teacher. The random numbers
/// of the training depend on the seed of `rng` alone. Cost: `training.steps` steps of `training.batch`
/// columns (see diamond_trainer), and a fit of the Gaussian frame.
/// @throws std::invalid_argument for points, labels and options out of range, as smooth_points and
/// diamond_trainer do; numeric_error where the training breaks down.
template <class Real, class Context, class... Policies>
[[nodiscard]] auto train_diamond_map(owning_batch<Real, Context> points, philox rng,
                                     const recipe_options& options = {}, Policies... policies) {
    diamond_map_training<owning_batch<Real, Context>, Policies...> training(std::move(points), rng, options,
                                                                            std::move(policies)...);
    auto state = training.trainer().start();
    detail::run_watched(training.trainer(), state, options.observer);
    return network_diamond_map{training.network(state)};
}
/// Does the same with a network of images, of unet_options or dit_options, in place of an MLP. Its frame is
/// that of the pixels, see smooth_pixels.
template <class Real, class Context, image_network_options Shape, class... Policies>
[[nodiscard]] auto train_diamond_map(owning_batch<Real, Context> points, philox rng, Shape network,
                                     const recipe_options& options = {}, Policies... policies) {
    recipe_training<owning_batch<Real, Context>, Shape, no_head, detail::diamond_map_defaults, Policies...>
    training(std::move(points), rng, std::move(network), options, std::move(policies)...);
    auto state = training.trainer().start();
    detail::run_watched(training.trainer(), state, options.observer);
    return network_diamond_map{training.network(state)};
}

/// Trains a flow map with divergence of the distribution of points, d x n, each with fresh noise N(0, H): a
/// network_flow_map, by which flow_density, log_likelihood and self_guidance know log p. [F2]
///
/// Arguments, cost and exceptions are those of train_diamond_map; the pairs of times are in both directions,
/// so that the map inverts itself.
template <class Real, class Context, class... Policies>
[[nodiscard]] auto train_flow_map(owning_batch<Real, Context> points, philox rng,
                                  const recipe_options& options = {}, Policies... policies) {
    flow_map_training<owning_batch<Real, Context>, Policies...> training(std::move(points), rng, options,
                                                                         std::move(policies)...);
    auto state = training.trainer().start();
    detail::run_watched(training.trainer(), state, options.observer);
    return network_flow_map{training.network(state)};
}
/// Does the same with a network of images, of unet_options or dit_options, in place of an MLP.
template <class Real, class Context, image_network_options Shape, class... Policies>
[[nodiscard]] auto train_flow_map(owning_batch<Real, Context> points, philox rng, Shape network,
                                  const recipe_options& options = {}, Policies... policies) {
    recipe_training<owning_batch<Real, Context>, Shape, divergence_head, detail::flow_map_defaults,
                    Policies...>
    training(std::move(points), rng, std::move(network), options, std::move(policies)...);
    auto state = training.trainer().start();
    detail::run_watched(training.trainer(), state, options.observer);
    return network_flow_map{training.network(state)};
}

} // namespace diamond
