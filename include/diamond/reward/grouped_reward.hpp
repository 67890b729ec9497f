/// A reward for each group of columns, as the problems of one call have them.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/groups_of.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

/// The rewards of G groups of columns, `grouped_reward{std::vector{r_0, r_1, ...}}`: a batch of d x (G n)
/// samples has n columns a group, side by side, and r_g is called once, with those of group g alone and the
/// condition that these have. So it is called as in a run of the group's own, whatever its form and whatever
/// it keeps. All are of one type; std::function<double(column_view<const float>)> stands for any that is
/// pointwise. It has a gradient if its rewards have one.
///
/// Drivers know it by groups(), through sum_reward, scaled_reward, tempered_reward and forbid_non_finite,
/// too; a reward of one's own that holds one must tell its groups() likewise. smc refuses it, since the
/// particles of one run would be weighed by unlike rewards. Used by: grouped_smc.
template <class Reward>
class grouped_reward {
public:
    using parts = std::tuple<Reward>;

    /// Takes the rewards, one a group. @throws std::invalid_argument for none, and for one that has groups
    /// itself.
    explicit grouped_reward(std::vector<Reward> rewards) : rewards_(std::move(rewards)) {
        require(!rewards_.empty(), "rewards by group: at least one is needed");
        for (const Reward& one : rewards_) {
            const index_t inner = detail::groups_of(one);
            require(inner <= 1, [&] {
                return "rewards by group: one of them has " + digits_of(inner) +
                       " groups itself, and a group's columns are all of one problem";
            });
        }
    }

    /// Returns G, the number of groups.
    [[nodiscard]] index_t groups() const { return static_cast<index_t>(rewards_.size()); }
    /// Returns the reward of a group, 0 ... G - 1. @throws std::out_of_range for another number.
    [[nodiscard]] Reward& of_group(index_t group) { return rewards_.at(static_cast<std::size_t>(group)); }

    /// Writes values[j] = r_g(z_j | c_j) for z d x (G n), g = j / n. @throws std::invalid_argument where G
    /// does not divide the columns.
    template <class Real, class Context, class Condition>
        requires reward<Reward, owning_batch<Real, Context>, Condition>
    void operator()(batch_view<const Real, Context> z, const Condition& condition,
                    row_view<double, Context> values) {
        for_groups(z, condition, [&](Reward& one, index_t first, index_t count, const Condition& own) {
            evaluate_reward(one, z.columns(first, count), own, values.columns(first, count));
        });
    }

    /// Writes out = dr_g/dz, d x (G n). @throws std::invalid_argument where G does not divide the columns.
    template <class Real, class Context, class Condition>
        requires differentiable_reward<Reward, owning_batch<Real, Context>, Condition>
    void gradient(batch_view<const Real, Context> z, const Condition& condition,
                  batch_view<Real, Context> out) {
        for_groups(z, condition, [&](Reward& one, index_t first, index_t count, const Condition& own) {
            evaluate_reward_gradient(one, z.columns(first, count), own, out.columns(first, count));
        });
    }

private:
    /// Calls call(reward, first column, columns, condition of these) for each group.
    template <class Real, class Context, class Condition, class Call>
    void for_groups(batch_view<const Real, Context> z, const Condition& condition, const Call& call) {
        const index_t count = z.columns() / groups();
        require(count * groups() == z.columns(), [&] {
            return "rewards of " + digits_of(groups()) + " groups for " + digits_of(z.columns()) +
                   " columns: each group has as many as the others";
        });
        constexpr bool
            takes_condition = detail::conditional_reward<Reward, owning_batch<Real, Context>, Condition> ||
                              requires(detail::referred_t<Reward>& r, batch_view<Real, Context> out) {
                                  r.gradient(z, condition, out);
                              };
        for (index_t g = 0; g < groups(); ++g) {
            Reward& one = of_group(g);
            if constexpr (takes_condition)
                call(one, g * count, count,
                     detail::condition_of_columns<Context>(condition, g * count, count));
            else
                call(one, g * count, count, condition);
        }
    }

    std::vector<Reward> rewards_;
};

} // namespace diamond
