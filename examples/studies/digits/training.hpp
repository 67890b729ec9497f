/// This header trains the networks on the law of the exact model, a training image plus N(0, h^2 I) that is
/// fresh each time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/training_checkpoint.hpp>

#include "../shared/is_trained.hpp"
#include "../shared/training_line.hpp"
#include "loss_pictures.hpp"
#include "networks.hpp"
#include "training_options.hpp"

namespace digits {

namespace detail {

/// Returns the steps of a network. At full share, all networks take about a quarter of an hour on two cores.
inline index_t steps_of(const std::string& name, double share) {
    const double full = name == "diamond" ? 12'000 : 8'000;
    return std::max<index_t>(10, static_cast<index_t>(share * full));
}

/// Returns 64 bits of the bytes of numbers (FNV-1a) as text, which tell them from another training set or
/// teacher.
inline std::string fingerprint(const floats& numbers) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte byte : std::as_bytes(std::span(numbers)))
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    return std::to_string(hash);
}

/// Returns what the file of a network and its checkpoints say about its training, so that those of another
/// setting, data or teacher are not mistaken for it.
inline std::string setting_of(const std::string& name, const images& train, const training_options& o) {
    std::string data = fingerprint(train.data);
    if (const auto teacher = network_file(o.out, "teacher");
        name == "taught" && std::filesystem::exists(teacher)) {
        const auto file = diamond::io::read_safetensors(teacher);
        // All other numbers of the network depend on these, and these on them.
        const auto bias = file.tensors.find("layers.0.bias");
        if (bias != file.tensors.end() && bias->second.type == diamond::io::dtype::f32) {
            const auto values = bias->second.values<float>();
            data += ", teacher " + fingerprint(floats(values.begin(), values.end()));
        }
    }
    return "digits " + name + ": " + std::to_string(steps_of(name, o.share)) + " steps of " +
           std::to_string(o.batch) + ", width " + std::to_string(o.width) + ", blocks " +
           std::to_string(o.blocks) + ", rate " + diamond::digits_of(o.rate) + ", h " +
           diamond::digits_of(o.bandwidth) + ", seed " + std::to_string(o.seed) + ", data " + data;
}

/// Trains to the end, beginning where an earlier run stopped, and writes checkpoints on the way.
template <class Trainer, class Batch>
void run(const std::string& name, Trainer& trainer, diamond::training_state<Batch>& state,
         const training_options& o, const std::string& setting) {
    const auto file = o.out / (name + ".training");
    if (o.resume && std::filesystem::exists(file))
        state = diamond::io::load_training<Batch>(state.theta.context(), file, setting, trainer.parameters());
    diamond::io::require_writable(file); // before the hours of training
    studies::training_line line(name, diamond::time_left(trainer.options()));
    trainer.run(state, [&](const diamond::training_report& report) {
        if ((report.step + 1) % o.checkpoint == 0) diamond::io::save_training(file, state, setting);
        line(report);
        return true;
    });
}

} // namespace detail

/// Trains one network, in the coordinates of the images, and writes it to `out` with its loss curves.
template <class Context>
diamond::loss_curve train_network(const Context& where, const images& train, const std::string& name,
                                  const training_options& o) {
    using namespace diamond;
    using batch = diamond::owning_batch<real, Context>;
    using architecture = diamond_mlp<batch, linear_schedule>;
    const training_set<batch> data(from_host<real>(where, pixels, train.count(), train.data), o.bandwidth,
                                   train.labels);
    // A distilled network shares the frame of its teacher, because principal directions found anew may have
    // the other sign.
    const auto fitted = fit_gaussian_frame(data);
    const auto teacher = name == "taught" ? std::optional(load_network(where, o.out, "teacher"))
                                          : std::nullopt;
    if (teacher) {
        const auto& theirs = teacher->architecture().frame().numbers();
        for (std::size_t i = 0; i < fitted.variance.size(); ++i)
            require(std::abs(theirs.variance[i] - fitted.variance[i]) <= 1e-6 * fitted.variance[i] &&
                        std::abs(theirs.mean[i] - fitted.mean[i]) <= 1e-6,
                    "the teacher was trained on other data or with another bandwidth: train it anew, with "
                    "--network teacher --fresh");
    }
    const gaussian_frame<batch> frame = teacher ? teacher->architecture().frame()
                                                : gaussian_frame<batch>(where, fitted);
    const training_set<batch> inside = in_coordinates_of(frame, data);
    const diamond_mlp_options shape{.mlp = {.width = o.width, .blocks = o.blocks}, .classes = classes};
    const architecture inner({}, gaussian_frame<batch>(where, in_own_coordinates(frame.numbers())), shape);

    diamond_training_options options{
        .steps = detail::steps_of(name, o.share), .batch = o.batch, .rate = {.peak = o.rate}};
    const std::string setting = detail::setting_of(name, train, o);
    std::filesystem::create_directories(o.out);
    training_state<batch> state;
    if (teacher) {
        // The network starts as its teacher, whose velocity it therefore has on the diagonal at t = 0.
        require(teacher->parameters().size() == inner.parameters(),
                "the teacher has another width or number of blocks than --width and --blocks say");
        const network_on<Context> inside_teacher(
            inner, from_host<real>(where, inner.parameters(), 1, to_host(teacher->parameters())));
        options.diagonal_first = 0.25;
        diamond_trainer trainer(inner, inside, philox{o.seed}, options,
                                glass_teacher(linear_schedule{}, network_velocity{inside_teacher}));
        state = trainer.start();
        for (auto* parameters : {&state.theta, &state.average})
            where.copy(teacher->parameters().data(), inner.parameters(), parameters->data());
        detail::run(name, trainer, state, o, setting);
    } else {
        uniform_time times;
        if (name == "teacher") {
            times.at_zero = 1.0; // flow matching: t = 0, r = s
            options.diagonal_first = 1.0;
        }
        diamond_trainer trainer(inner, inside, philox{o.seed}, options, times);
        state = trainer.start();
        detail::run(name, trainer, state, o, setting);
    }
    write_curves(o.out, name, state.losses()); // before the network, whose file says that all is done
    const network_on<Context> trained(architecture({}, frame, shape), std::move(state.average));
    io::save_network(network_file(o.out, name), trained,
                     {{"trained_on", "optical recognition of handwritten digits, training part"},
                      {"bandwidth", diamond::digits_of(o.bandwidth)},
                      {"setting", setting}});
    std::filesystem::remove(o.out / (name + ".training"));
    return state.losses();
}

} // namespace digits
