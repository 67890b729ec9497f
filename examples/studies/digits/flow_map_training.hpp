/// This header trains the joint flow map of the digits by LSD-F2D2 from the teacher, with whose trunk it
/// starts.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <diamond/train/warm_start.hpp>

#include "digits_flow_map.hpp"
#include "training.hpp"

namespace digits {

inline std::string joint_setting(const images& train, const training_options& o) {
    return "digits joint, LSD-F2D2 from the teacher: share " + diamond::digits_of(o.share) + "; " +
           detail::setting_of("taught", train, o);
}

/// Trains the joint map, in the coordinates of the images, and writes it to `out`, where it finds its
/// teacher. 64 dimensions are too many for exact traces. The diagonal is taught the divergence of the teacher
/// with one probe, and the head of the moving average teaches the rest from there without noise.
template <class Context>
diamond::loss_curve train_joint(const Context& where, const images& train, const training_options& o) {
    using namespace diamond;
    using batch = diamond::owning_batch<real, Context>;
    using architecture = diamond_mlp<batch, linear_schedule>;
    using divergence_architecture = diamond_mlp_with_divergence<batch, linear_schedule>;
    const auto teacher = load_network(where, o.out, "teacher");
    const auto& shape = teacher.architecture().options();
    const auto& frame = teacher.architecture().frame();
    const training_set<batch> data(from_host<real>(where, pixels, train.count(), train.data), o.bandwidth,
                                   train.labels);
    const training_set<batch> inside = in_coordinates_of(frame, data);
    const gaussian_frame<batch> inner(where, in_own_coordinates(frame.numbers()));
    // The part of the divergence that the Gaussian does not know varies by about a nat for each root of d.
    // The finest detail is the noise of the images.
    const divergence_head head{.divisor = 8.0, .resolution = o.bandwidth};
    const divergence_architecture net({}, inner, shape, head);
    const network_on<Context> inside_teacher(
        architecture({}, inner, shape),
        from_host<real>(where, teacher.parameters().size(), 1, to_host(teacher.parameters())));
    constexpr double full = 5000;
    diamond_trainer trainer{net,
                            inside,
                            philox{o.seed},
                            {.steps = std::max<index_t>(10, static_cast<index_t>(o.share * full)),
                             .batch = o.batch / 2,
                             .diagonal_first = 0.2,
                             .rate = {.peak = o.rate / 2}},
                            uniform_time{.at_zero = 1.0},
                            both_ways_pair{},
                            on_diagonal<>{},
                            flow_teacher{hutchinson_divergence{network_velocity{inside_teacher}}}};
    auto state = trainer.start();
    warm_start(net, inside_teacher, state.theta.mutable_view());
    where.copy(state.theta.data(), state.theta.size(), state.average.data());
    const auto setting = joint_setting(train, o);
    std::filesystem::create_directories(o.out);
    detail::run("joint", trainer, state, o, setting);
    write_curves(o.out, "joint", state.losses());
    io::save_flow_map(network_file(o.out, "joint"),
                      io::mlp_flow_map<batch>(trained_network(divergence_architecture({}, frame, shape, head),
                                                              trainer.averaged(state))),
                      {{"trained_on", "optical recognition of handwritten digits, training part"},
                       {"bandwidth", diamond::digits_of(o.bandwidth)},
                       {"setting", setting}});
    std::filesystem::remove(o.out / "joint.training");
    return state.losses();
}

/// Trains the network of this name and writes it to `out`.
template <class Context>
training_result train_by_name(const Context& where, const images& train, const std::string& name,
                              const training_options& o) {
    return {where.device_name(),
            name == "joint" ? train_joint(where, train, o) : train_network(where, train, name, o)};
}

} // namespace digits
