/// What a TorchScript file does not say of itself.
#pragma once

#include <cstdint>
#include <vector>

#include <diamond/core/scalar.hpp>

namespace diamond {

/// The numbers that a TorchScript module was built with. Those of conditions are for networks that take such
/// conditions.
struct torch_options {
    index_t dimension = 0; ///< d, the numbers of a state, at least 1
    index_t classes = 0;   ///< the number of classes of labels, at least 1 where labels are taken
    /// The integer that the module is given for labels::unconditional. Where it refuses that, such labels are
    /// refused.
    std::int64_t unconditional = -1;
    index_t vector_size = 0; ///< d_c, the numbers of a vector, at least 1 where vectors are taken
    /// The vector that the module is given where a column has none, d_c numbers; where it is empty, such
    /// columns are refused.
    std::vector<double> no_vector = {};
    /// The variance of a coordinate of the data, in whose units the errors of a network that is trained
    /// count.
    double variance = 1.0;
};

} // namespace diamond
