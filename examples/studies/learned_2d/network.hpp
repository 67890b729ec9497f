/// This header defines the trained networks on the CPU, where they are compared with the truth.
#pragma once

#include <utility>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/nn/trained_network.hpp>

#include "training_options.hpp"

namespace learned {

using diamond::linear_schedule;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using architecture = diamond::diamond_mlp<batch, linear_schedule>;
using network = diamond::trained_network<architecture>;

inline network network_of(const context& where, const training_result& result,
                          const training_options& chosen) {
    architecture layers({}, diamond::gaussian_frame<batch>(where, result.frame), shape_of(chosen));
    auto parameters = diamond::from_host<float>(where, layers.parameters(), 1, result.parameters);
    return {std::move(layers), std::move(parameters)};
}

} // namespace learned
