/// This header trains the conditional networks of the study from simulations, and goes on where an earlier
/// run was broken off.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/training_checkpoint.hpp>
#include <diamond/train/recipes.hpp>

#include "../shared/is_trained.hpp"
#include "../shared/training_line.hpp"
#include "networks.hpp"

namespace inference {

/// The numbers of a training. Those that are 0 follow the number of simulations.
struct training_options {
    index_t simulations = 100'000, steps = 0, width = 0, blocks = 0, batch = 1024;
    double rate = 0.0;
    index_t checkpoint = 500; ///< steps between two checkpoints
    std::uint64_t seed = 1;
    std::filesystem::path out = "out/inference/weights";
    bool fresh = false;

    /// Returns the options with all numbers: larger networks and longer trainings for more simulations, which
    /// a smaller number of them would let the network learn by heart.
    [[nodiscard]] training_options resolved() const {
        const bool many = simulations > 30'000;
        training_options result = *this;
        if (steps == 0) result.steps = many ? 30'000 : 10'000;
        if (width == 0) result.width = many ? 128 : 64;
        if (blocks == 0) result.blocks = many ? 5 : 4;
        if (rate == 0.0) result.rate = many ? 4e-3 : 3e-3;
        return result;
    }
};

/// Returns what the file of a network and its checkpoints say about its training.
template <class Network, inference_task Task>
std::string setting_of(const training_options& o) {
    return std::string("inference ") + Task::name + " " + kind_of<Network> + ": " +
           std::to_string(o.simulations) + " simulations, " + std::to_string(o.steps) + " steps of " +
           std::to_string(o.batch) + ", width " + std::to_string(o.width) + ", blocks " +
           std::to_string(o.blocks) + ", rate " + diamond::digits_of(o.rate) + ", seed " +
           std::to_string(o.seed);
}

/// Trains a network from simulations drawn anew from the seed, and writes it to o.out. @return whether it was
/// trained: not where the file already holds it.
template <class Network, inference_task Task>
bool train(const context& where, const training_options& chosen) {
    using namespace diamond;
    const training_options o = chosen.resolved();
    const std::string name = std::string(Task::name) + ", " + std::to_string(o.simulations) +
                             " simulations, " + kind_of<Network>,
                      setting = setting_of<Network, Task>(o);
    const auto file = file_of<Network, Task>(o.out, o.simulations);
    if (!o.fresh && studies::is_trained(file, setting)) return false;
    std::filesystem::create_directories(o.out);
    io::require_writable(file); // before the minutes of training
    const simulations drawn = simulate_many<Task>(philox{o.seed}, o.simulations);
    const recipe_options options{
        .smooth = {.relative_bandwidth = 0.0}, // simulations are draws of the law itself
        .vectors = {drawn.x.begin(), drawn.x.end()},
        .network = {.width = o.width, .blocks = o.blocks},
        .training = {.steps = o.steps,
                     .batch = o.batch,
                     .condition_dropout = 0.0,
                     .rate = {.peak = o.rate, .warm_up = std::min<index_t>(100, o.steps / 10)},
                     .average = 0.9995}};
    auto points = from_host<float>(where, Task::parameters, o.simulations, drawn.z);
    const auto checkpoint = std::filesystem::path(file).replace_extension(".training");
    const auto run = [&](auto training, const auto& save) {
        auto& trainer = training.trainer();
        auto state = trainer.start();
        if (!o.fresh && std::filesystem::exists(checkpoint))
            state = io::load_training<batch>(where, checkpoint, setting, trainer.parameters());
        studies::training_line line(name, time_left(trainer.options()));
        trainer.run(state, [&](const training_report& report) {
            if ((report.step + 1) % o.checkpoint == 0) io::save_training(checkpoint, state, setting);
            line(report);
            return true;
        });
        save(training.network(state));
        std::filesystem::remove(checkpoint);
    };
    const std::map<std::string, std::string> notes{
        {"trained_on", std::to_string(o.simulations) + " simulations of " + Task::name +
                           ", parameters as Phi^-1((theta + b)/(2 b))"},
        {"setting", setting}};
    if constexpr (std::is_same_v<Network, flow_map>)
        run(flow_map_training(std::move(points), philox{o.seed}.split(1), options),
            [&](auto network) { io::save_flow_map(file, flow_map(std::move(network)), notes); });
    else
        // Whole draws of the posterior are what the map is for: half of the states are at t = 0.
        run(diamond_map_training(std::move(points), philox{o.seed}.split(1), options,
                                 uniform_time{.at_zero = 0.5}),
            [&](auto network) { io::save_network(file, network, notes); });
    return true;
}

} // namespace inference
