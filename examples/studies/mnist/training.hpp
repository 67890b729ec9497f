/// This header trains the models on the training images with noise N(0, h^2 I) that is fresh each time: the
/// teacher by flow matching, and the others from its weights.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <diamond/core/crc32.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>
#include <diamond/train/warm_start.hpp>

#include "../shared/is_trained.hpp"
#include "../shared/training_line.hpp"
#include "networks.hpp"

namespace mnist {

/// The deviation of the noise on images in [-1, 1], some six of 256 grey levels.
inline constexpr double default_noise = 0.05;

struct training_options {
    double share = 1.0; ///< a share of the usual number of steps
    index_t batch = 128, width = 16;
    double rate = 2e-3, noise = default_noise;
    double at_zero = 0.2; ///< the share of a Diamond map's columns that have t = 0, where samples are drawn
    /// A folder of models that were trained before, from whose weights training starts; empty: students start
    /// from the teacher, and the teacher from nothing.
    std::filesystem::path start = {};
    index_t images = 60'000; ///< of the training part, the first ones
    std::uint64_t seed = 1;
    index_t checkpoint = 100; ///< steps between checkpoints
    bool resume = true;
    std::filesystem::path out = "out/mnist/weights"; ///< where students find their teacher, too
};

/// This type tells what a training has come to.
struct training_report {
    std::string name;
    index_t parameters = 0, steps = 0;
    diamond::loss_curve losses;
};

namespace detail {

inline index_t steps_of(const model& which, const training_options& o) {
    return std::max<index_t>(10, static_cast<index_t>(o.share * which.steps));
}

/// Returns a sum of a model's numbers, which tells it from others.
inline std::uint32_t sum_of(const std::filesystem::path& model) {
    diamond::crc32<0x82f63b78> sum;
    for (const auto& [name, tensor] : diamond::io::read_safetensors(model).tensors)
        sum.add(std::as_bytes(std::span(tensor.bytes)));
    return sum.value();
}
/// Returns what the file of a model and its checkpoints say about its training, so that those of another
/// setting, data or teacher are not mistaken for it.
inline std::string setting_of(const model& which, const images& train, const training_options& o) {
    diamond::crc32<0x82f63b78> sum;
    sum.add(std::as_bytes(std::span(train.grey).first(static_cast<std::size_t>(o.images * pixels))));
    const std::string teacher = which.kind == model_kind::velocity
                                  ? ""
                                  : ", teacher " + std::to_string(sum_of(model_file(o.out, "teacher")));
    return "mnist " + std::string(which.name) + ": " + std::to_string(steps_of(which, o)) + " steps of " +
           std::to_string(o.batch) + ", width " + std::to_string(o.width) + ", rate " +
           diamond::digits_of(o.rate) + ", noise " + diamond::digits_of(o.noise) + ", seed " +
           std::to_string(o.seed) + ", data " + std::to_string(sum.value()) + teacher +
           (which.kind == model_kind::diamond_map ? ", t = 0 " + diamond::digits_of(o.at_zero) : "") +
           (o.start.empty() ? "" : ", start " + std::to_string(sum_of(model_file(o.start, which.name))));
}

/// Trains one model.
class model_training {
public:
    model_training(const context& where, const images& train, const model& which, const training_options& o)
        : where_(&where),
          which_(which),
          options_(o),
          setting_(setting_of(which, train, o)),
          data_(
              diamond::from_host<real>(where, pixels, o.images,
                                       made_images(train, 0, o.images, {}, diamond::philox{o.seed}.split(1))),
              o.noise) {
        // The others share the frame that the teacher's file has, in which its weights mean what they do.
        if (which.kind != model_kind::velocity) teacher_.emplace(load_network(where, o.out, "teacher"));
    }

    training_report operator()() {
        using namespace diamond;
        const auto t_zero = uniform_time{.at_zero = 1.0};
        const auto name = which_.name;
        if (name == "teacher") {
            auto options = common();
            options.diagonal_first = 1.0;
            const auto frame = options_.start.empty()
                                 ? diamond::gaussian_frame<batch>(*where_, fit_pixel_frame(data_))
                                 : load_network(*where_, options_.start, name).architecture().frame();
            return run(unet({}, frame, unet_shape(options_.width)), options, t_zero);
        }
        auto options = common();
        options.rate.peak /= 2.0;
        options.diagonal_first = 0.0; // the teacher's training was that
        const network_velocity velocity{*teacher_};
        const unet plain({}, teacher_->architecture().frame(), unet_shape(options_.width));
        if (name == "diamond") return run(plain, options, uniform_time{.at_zero = options_.at_zero});
        if (name == "taught")
            return run(plain, options, uniform_time{.at_zero = options_.at_zero},
                       glass_teacher(linear_schedule{}, velocity));
        if (name == "eulerian") return run(plain, options, t_zero, eulerian_loss{});
        // The part of the divergence that the Gaussian does not know varies by a nat or two for each root of
        // d, which is the side of the images. The finest detail is the noise of the images.
        const joint_unet joint({}, teacher_->architecture().frame(), unet_shape(options_.width),
                               {.divisor = 2.0 * side, .resolution = options_.noise});
        // The head starts from nothing, and the losses off the diagonal are told by it.
        options.diagonal_first = 0.1;
        const both_ways_pair pairs;
        const on_diagonal<> trace;
        if (name == "lagrangian")
            return run(joint, options, t_zero, pairs, trace, flow_teacher{hutchinson_divergence{velocity}});
        if (name == "shortcut_distill")
            return run(joint, options, t_zero, pairs, trace, flow_teacher{hutchinson_divergence{velocity}},
                       semigroup_loss{.midpoint = true});
        if (name == "shortcut")
            return run(joint, options, t_zero, pairs, trace, semigroup_loss{.midpoint = true});
        diamond::require(name == "mean_flow", "no such model");
        return run(joint, options, t_zero, pairs, trace, mean_flow_loss{},
                   adaptive_weight{.random_power = 1.0});
    }

private:
    using unet = diamond::diamond_unet<batch, diamond::linear_schedule>;
    using joint_unet = diamond::diamond_unet<batch, diamond::linear_schedule, diamond::divergence_head>;

    [[nodiscard]] diamond::diamond_training_options common() const {
        diamond::diamond_training_options result{
            .steps = steps_of(which_, options_), .batch = options_.batch, .rate = {.peak = options_.rate}};
        result.rate.warm_up = std::min<index_t>(result.rate.warm_up, result.steps / 10);
        // The average is over the last tenth at most.
        result.average = std::min(result.average, 1.0 - 10.0 / static_cast<double>(result.steps));
        return result;
    }
    template <class Network, class... Policies>
    training_report run(const Network& net, const diamond::diamond_training_options& options,
                        Policies... policies) {
        diamond::diamond_trainer trainer(net, data_, diamond::philox{options_.seed}, options,
                                         std::move(policies)...);
        const auto saved = options_.out / (std::string(which_.name) + ".training");
        auto state = options_.resume && std::filesystem::exists(saved)
                       ? diamond::io::load_training<batch>(*where_, saved, setting_, trainer.parameters())
                       : started(trainer);
        diamond::io::require_writable(saved); // before the hour of training
        studies::training_line line(std::string(which_.name), diamond::time_left(trainer.options()));
        trainer.run(state, [&](const diamond::training_report& at) {
            if ((at.step + 1) % options_.checkpoint == 0) diamond::io::save_training(saved, state, setting_);
            line(at);
            return true;
        });
        save(diamond::trained_network(net, trainer.averaged(state)));
        std::filesystem::remove(saved);
        return {std::string(which_.name), net.parameters(), options.steps, state.losses()};
    }
    template <class Trainer>
    [[nodiscard]] auto started(const Trainer& trainer) const {
        using network_type = std::decay_t<decltype(trainer.network())>;
        auto state = trainer.start();
        // Each is refused unless its layers and its frame are the network's.
        const auto from = [&](const auto& earlier) {
            diamond::warm_start(trainer.network(), earlier, state.theta.mutable_view());
            where_->copy(state.theta.data(), state.theta.size(), state.average.data());
        };
        if (options_.start.empty()) {
            if (teacher_) from(*teacher_);
        } else if constexpr (diamond::detail::has_divergence_row<network_type>) {
            from(load_joint_map(*where_, options_.start, which_.name).network());
        } else {
            from(load_network(*where_, options_.start, which_.name));
        }
        return state;
    }
    template <class Network>
    void save(diamond::trained_network<Network> net) const {
        const std::map<std::string, std::string> notes{{"trained_on", "MNIST, training part"},
                                                       {"noise", diamond::digits_of(options_.noise)},
                                                       {"setting", setting_}};
        const auto file = model_file(options_.out, which_.name);
        constexpr auto half = diamond::io::precision::f16;
        if constexpr (diamond::detail::has_divergence_row<Network>)
            diamond::io::save_flow_map(file, diamond::network_flow_map{std::move(net)}, notes, half);
        else
            diamond::io::save_network(file, net, notes, half);
    }

    const context* where_;
    const model& which_;
    const training_options& options_;
    std::string setting_;
    diamond::training_set<batch> data_;
    std::optional<network> teacher_;
};

} // namespace detail

/// Trains a model and writes it to `out`, or returns nothing where it is there already, trained in this way.
/// @throws diamond::io::file_error for a student without its teacher.
inline std::optional<training_report> train_model(const context& where, const images& train,
                                                  const model& which, const training_options& o) {
    std::filesystem::create_directories(o.out);
    if (o.resume && studies::is_trained(model_file(o.out, which.name), detail::setting_of(which, train, o)))
        return std::nullopt;
    return detail::model_training(where, train, which, o)();
}

} // namespace mnist
