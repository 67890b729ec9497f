/// This header defines the networks of the study, which are conditioned on an observation, and their files.
#pragma once

#include <filesystem>
#include <string>
#include <type_traits>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "tasks.hpp"

namespace inference {

using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using conditions = diamond::label_and_vector<batch>;

/// A Diamond map of p(z | x), whose draws at t = 0 are posteriors, and at t > 0 the transitions of SMC.
using diamond_map_network = diamond::trained_network<diamond::diamond_mlp<batch, diamond::linear_schedule>>;
/// A flow map of p(z | x) with a divergence head, which gives log q(z | x) in the same evaluations.
using flow_map = diamond::io::mlp_flow_map<batch, diamond::linear_schedule>;

/// Names a network of the study: "diamond_map" or "flow_map".
template <class Network>
inline constexpr const char* kind_of = std::is_same_v<Network, flow_map> ? "flow_map" : "diamond_map";

/// Returns the file of a network that was trained from so many simulations of a task.
template <class Network, inference_task Task>
std::filesystem::path file_of(const std::filesystem::path& folder, index_t simulations) {
    return folder / (std::string(Task::name) + "_" + std::to_string(simulations) + "_" + kind_of<Network> +
                     ".safetensors");
}

/// Reads a network. @throws diamond::io::file_error where there is none, or one of another task.
template <class Network, inference_task Task>
Network load(const context& where, const std::filesystem::path& folder, index_t simulations) {
    const auto file = file_of<Network, Task>(folder, simulations);
    auto network = [&] {
        if constexpr (std::is_same_v<Network, flow_map>)
            return diamond::io::load_flow_map<batch>(where, file);
        else
            return diamond::io::load_network<batch>(where, file);
    }();
    const auto& architecture = [&]() -> const auto& {
        if constexpr (std::is_same_v<Network, flow_map>)
            return network.network().architecture();
        else
            return network.architecture();
    }();
    if (network.dimension() != Task::parameters || architecture.vector_size() != Task::numbers)
        throw diamond::io::file_error{file, "a network of " + diamond::digits_of(network.dimension()) +
                                                " parameters given " +
                                                diamond::digits_of(architecture.vector_size()) +
                                                " numbers, which is none of " + Task::name};
    return network;
}

/// An observation in the memory of the networks.
template <inference_task Task>
class observation {
public:
    observation(const context& where, const double* x)
        : numbers_(
              diamond::from_host<float>(where, Task::numbers, 1, std::vector<float>(x, x + Task::numbers))) {}
    /// The condition of draws of the posterior given this observation.
    [[nodiscard]] conditions given() const {
        return diamond::condition_vectors<batch>::for_all(numbers_.read());
    }

private:
    batch numbers_;
};

} // namespace inference
