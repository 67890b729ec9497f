/// Gradients of groups of blocks are added in a fixed order.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/core/host_device.hpp>

namespace diamond::detail {

/// Adds to gradient[p] the sums of parameter p over all groups of blocks, in the order of the groups.
template <class ConstView, class View>
struct add_groups {
    ConstView groups; ///< parameters x groups
    View gradient;
    DIAMOND_HD void operator()(index_t p) const {
        typename View::value_type sum = groups(p, 0);
        for (index_t g = 1; g < groups.columns(); ++g) sum += groups(p, g);
        gradient[p] += sum;
    }
};

} // namespace diamond::detail
