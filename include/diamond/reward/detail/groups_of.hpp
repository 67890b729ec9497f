/// The number of groups of columns that a reward is made for, found through the rewards that it is made of.
#pragma once

#include <diamond/concepts/reward.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

/// Returns the number of groups of columns whose rewards differ, which a reward tells by groups(); 0 for one
/// that is the same for all columns.
template <class Reward>
[[nodiscard]] index_t groups_of(const Reward& reward) {
    const auto& own = referred(reward);
    if constexpr (requires { index_t{own.groups()}; })
        return own.groups();
    else
        return 0;
}

/// Checks the reward of a run whose particles are all of one problem. @throws std::invalid_argument with the
/// number of groups for one of more than one.
template <class Reward>
void require_one_group(const Reward& reward) {
    const index_t groups = groups_of(reward);
    require(groups <= 1, [&] {
        return "a reward of " + digits_of(groups) +
               " groups for particles of one problem, whose weights would be by unlike rewards: use "
               "grouped_smc, with a generator for each group";
    });
}

} // namespace diamond::detail
