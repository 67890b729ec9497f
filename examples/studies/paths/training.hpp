/// This header trains the Diamond map of paths from draws of their law, and goes on where an earlier run was
/// broken off.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include <diamond/io/checkpoint.hpp>
#include <diamond/io/training_checkpoint.hpp>

#include "../shared/is_trained.hpp"
#include "../shared/training_line.hpp"
#include "prior.hpp"

namespace paths {

/// The learned Diamond map's network.
using network = diamond::trained_network<diamond::diamond_mlp<batch, diamond::linear_schedule>>;

struct training_options {
    index_t points = 200'000, steps = 20'000, width = 192, blocks = 4, batch = 512;
    double rate = 4e-3;
    index_t checkpoint = 500; ///< steps between two checkpoints
    std::uint64_t seed = 1;
    std::filesystem::path out = "out/paths/weights";
    bool fresh = false;
};

inline std::filesystem::path file_of(const std::filesystem::path& folder) {
    return folder / "paths.safetensors";
}

/// Reads the network. @throws diamond::io::file_error where there is none, or one of something else.
inline network load(const context& where, const std::filesystem::path& folder) {
    network loaded = diamond::io::load_network<batch>(where, file_of(folder));
    if (loaded.dimension() != dimension)
        throw diamond::io::file_error{file_of(folder),
                                      "a network of " + diamond::digits_of(loaded.dimension()) +
                                          " numbers, where a path has " + diamond::digits_of(dimension)};
    return loaded;
}

/// Trains the network and writes it to o.out. @return whether it was trained: not where the file already
/// holds it.
inline bool train(const context& where, const training_options& o) {
    using namespace diamond;
    const std::string setting = "paths: " + std::to_string(o.points) + " points, " + std::to_string(o.steps) +
                                " steps of " + std::to_string(o.batch) + ", width " +
                                std::to_string(o.width) + ", blocks " + std::to_string(o.blocks) + ", rate " +
                                digits_of(o.rate) + ", seed " + std::to_string(o.seed);
    const auto file = file_of(o.out);
    if (!o.fresh && studies::is_trained(file, setting)) return false;
    std::filesystem::create_directories(o.out);
    io::require_writable(file); // before the minutes of training
    const recipe_options options{
        .smooth = {.relative_bandwidth = 0.0}, // points are draws of the law itself
        .network = {.width = o.width, .blocks = o.blocks},
        .training = {.steps = o.steps,
                     .batch = o.batch,
                     .rate = {.peak = o.rate, .warm_up = std::min<index_t>(100, o.steps / 10)},
                     .average = 0.9995}};
    diamond_map_training training(prior().draw(where, philox{o.seed}, o.points), philox{o.seed}.split(1),
                                  options);
    auto& trainer = training.trainer();
    auto state = trainer.start();
    const auto checkpoint = std::filesystem::path(file).replace_extension(".training");
    if (!o.fresh && std::filesystem::exists(checkpoint))
        state = io::load_training<batch>(where, checkpoint, setting, trainer.parameters());
    studies::training_line line("the Diamond map of paths", time_left(trainer.options()));
    trainer.run(state, [&](const training_report& report) {
        if ((report.step + 1) % o.checkpoint == 0) io::save_training(checkpoint, state, setting);
        line(report);
        return true;
    });
    io::save_network(
        file, training.network(state),
        {{"trained_on", std::to_string(o.points) + " draws of the prior of paths"}, {"setting", setting}});
    std::filesystem::remove(checkpoint);
    return true;
}

} // namespace paths
