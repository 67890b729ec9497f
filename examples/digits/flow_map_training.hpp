// Trains the joint flow map of the digits: LSD-F2D2 from the teacher, whose trunk it starts from.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <diamond/train/warm_start.hpp>

#include "digits_flow_map.hpp"
#include "training.hpp"

namespace digits {

inline std::string joint_setting(const images& train, const training_options& o) {
    return "digits joint, LSD-F2D2 from the teacher: share " + diamond::io::detail::exact_text(o.share) + "; " + detail::setting_of("taught", train, o);
}

/// Trains the joint map and writes it to `out`, where it finds its teacher, in the coordinates of the images. 64 dimensions are too many for exact
/// traces: the diagonal is taught the teacher's divergence by one probe, and the moving average's own head there teaches the rest without noise.
template <class Context>
diamond::loss_curve train_joint(const Context& where, const images& train, const training_options& o) {
    using namespace diamond;
    using batch              = diamond::owning_batch<real, Context>;
    using architecture       = diamond_mlp<batch, linear_schedule>;
    using divergence_architecture = diamond_mlp_with_divergence<batch, linear_schedule>;
    const auto teacher    = load_network(where, o.out, "teacher");
    const auto& shape     = teacher.architecture().options();
    const auto& frame     = teacher.architecture().frame();
    const training_set<batch> data(from_host<real>(where, pixels, train.count(), train.data), o.bandwidth, train.labels);
    const training_set<batch> inside = in_coordinates_of(frame, data);
    const gaussian_frame<batch> inner(where, in_own_coordinates(frame.numbers()));
    // The divergence's part that the Gaussian does not know moves by about a nat a root of d; the finest detail is the images' noise.
    const divergence_head head{.divisor = 8.0, .resolution = o.bandwidth};
    const divergence_architecture net({}, inner, shape, head);
    const network_on<Context> inside_teacher(architecture({}, inner, shape), from_host<real>(where, teacher.parameters().size(), 1, to_host(teacher.parameters())));
    constexpr double full = 5000;
    diamond_training_options<uniform_time, both_ways_pair, adaptive_weight, lagrangian_loss, on_diagonal<>> options{
        .steps = std::max<index_t>(10, static_cast<index_t>(o.share * full)), .batch = o.batch / 2, .diagonal_first = 0.2, .times = {.at_zero = 1.0}, .rate = {.peak = o.rate / 2}};
    diamond_trainer trainer(net, inside, philox{o.seed}, options, flow_teacher{hutchinson_divergence{network_velocity{inside_teacher}}});
    auto state = trainer.start();
    warm_start(net, inside_teacher, state.theta.mutable_view());
    where.copy(state.theta.data(), state.theta.size(), state.average.data());
    const auto setting = joint_setting(train, o);
    std::filesystem::create_directories(o.out);
    detail::run("joint", trainer, state, o, setting);
    write_curves(o.out, "joint", state.losses());
    io::save_flow_map(network_file(o.out, "joint"), io::mlp_flow_map<batch>(trained_network(divergence_architecture({}, frame, shape, head), trainer.averaged(state))),
                            {{"trained_on", "optical recognition of handwritten digits, training part"}, {"bandwidth", io::detail::exact_text(o.bandwidth)}, {"setting", setting}});
    std::filesystem::remove(o.out / "joint.training");
    return state.losses();
}

/// Trains the network of that name and writes it to `out`.
template <class Context>
training_result train_by_name(const Context& where, const images& train, const std::string& name, const training_options& o) {
    return {where.device_name(), name == "joint" ? train_joint(where, train, o) : train_network(where, train, name, o)};
}

} // namespace digits
