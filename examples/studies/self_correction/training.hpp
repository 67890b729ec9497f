/// This header trains the networks when they are first asked for: a joint flow map, which is trained well,
/// and joint Diamond maps, which are trained briefly on purpose.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <diamond/oracle/gaussian_mixture.hpp>

#include "../shared/flow_maps.hpp"
#include "../shared/training_line.hpp"

namespace self_correction {

using diamond::index_t, diamond::linear_schedule;
using studies::architecture, studies::batch, studies::context, studies::network;
using model_type = diamond::gaussian_mixture<batch, linear_schedule>;

struct training_options {
    index_t steps = 12000, short_steps = 300, batch = 512, width = 128, blocks = 3;
    double rate = 5e-3;
};

/// The workshop trains networks and keeps them. The law teaches, and its draws are the data.
class workshop {
public:
    workshop(const context& on, const model_type& law, const training_options& o, diamond::philox rng)
        : law_(law),
          options_(o),
          rng_(rng),
          data_(studies::subject_data::of(
              on, law,
              {.steps = o.steps, .batch = o.batch, .width = o.width, .blocks = o.blocks, .rate = o.rate},
              rng.split(1))) {}

    /// Returns the velocity, flow map and density of the data, which are a joint Diamond map at t = 0. It is
    /// distilled from flow matching on data, the best way of the study checkerboard.
    const network& flow() {
        return kept(flow_, "joint flow map", [&](const std::string& name) {
            const studies::training_options o{.steps = options_.steps,
                                              .batch = options_.batch,
                                              .width = options_.width,
                                              .blocks = options_.blocks,
                                              .rate = options_.rate};
            constexpr diamond::semigroup_loss shortcut{.midpoint = true};
            const auto telling = [&](const std::string& what, double diagonal_first) {
                auto options = studies::options_of(o, shortcut.random_target);
                options.diagonal_first = diagonal_first;
                return
                    [line = studies::training_line(what, diamond::time_left(options))](
                        const std::string&, const diamond::training_report& report) mutable { line(report); };
            };
            const studies::velocity_network teacher = studies::train_velocity(data_, o, rng_.split(2),
                                                                              telling("flow matching", 1.0));
            return studies::distil(data_, o, name, shortcut, diamond::network_velocity{teacher}, &teacher,
                                   rng_.split(4), telling(name, 0.2));
        });
    }
    /// Returns the network that is taught by GLASS's inner velocity of the law and its divergence.
    const network& taught() {
        return kept(taught_, "taught Diamond map", [&](const std::string& name) {
            auto options = briefly();
            options.diagonal_first = 0.2; // the velocities of a teacher are learned sooner than those of data
            return train(name, options,
                         diamond::glass_teacher{linear_schedule{}, diamond::exact_divergence{law_}});
        });
    }
    const network& from_data() {
        return kept(from_data_, "Diamond map from data alone",
                    [&](const std::string& name) { return train(name, briefly(), diamond::no_teacher{}); });
    }

private:
    [[nodiscard]] diamond::diamond_training_options briefly() const {
        diamond::diamond_training_options options{.steps = options_.short_steps,
                                                  .batch = options_.batch,
                                                  .rate = {.peak = options_.rate},
                                                  .average = 0.99};
        options.rate.warm_up = std::min(options.rate.warm_up, options_.short_steps / 10);
        return options;
    }
    template <class Teacher>
    network train(const std::string& name, const diamond::diamond_training_options& options,
                  Teacher teacher) {
        diamond::diamond_trainer trainer(architecture({}, data_.frame, data_.shape), data_.points,
                                         rng_.split(3), options, diamond::exact_trace{}, std::move(teacher));
        studies::training_line line(name, diamond::time_left(options));
        auto state = trainer.start();
        trainer.run(state, [&](const diamond::training_report& report) {
            line(report);
            return true;
        });
        return {trainer.network(), trainer.averaged(state)};
    }
    template <class Make>
    const network& kept(std::optional<network>& place, const std::string& name, const Make& make) {
        if (!place) place.emplace(make(name));
        return *place;
    }

    model_type law_;
    training_options options_;
    diamond::philox rng_;
    studies::subject_data data_;
    std::optional<network> flow_, taught_, from_data_;
};

} // namespace self_correction
