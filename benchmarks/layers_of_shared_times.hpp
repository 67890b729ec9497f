// The products that a pass of a Diamond network cannot do without where all columns share their times.
#pragma once

#include <vector>

#include <diamond/core/dense.hpp>

namespace diamond_benchmarks {

/// The layers of a trained network; the features of times are no rows of the first.
template <class Network>
std::vector<diamond::dense_layer> layers_of_shared_times(const Network& net) {
    auto result = net.architecture().layers();
    result.front().inputs = 2 * net.dimension();
    return result;
}

} // namespace diamond_benchmarks
