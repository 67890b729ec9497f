/// A reward that forbids a sample, by -inf, where another reward is NaN or +inf.
#pragma once

#include <tuple>
#include <utility>

#include <diamond/reward/detail/groups_of.hpp>
#include <diamond/reward/detail/workspace.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

/// The reward `forbid_non_finite{r}` is r(z), or -inf where r(z) is NaN or +inf: such samples get weight 0
/// and the run goes on, where samplers would otherwise stop with an error. r may be of any form.
template <class Reward>
class forbid_non_finite {
public:
    using parts = std::tuple<Reward>;

    /// Takes the reward, whose NaN and +inf become -inf.
    explicit forbid_non_finite(Reward reward) : reward_(std::move(reward)) {}

    /// Returns the number of groups of columns that r is made for, as grouped_reward does; 0 where r is the
    /// same for all columns.
    [[nodiscard]] index_t groups() const { return detail::groups_of(reward_); }

    /// Writes values[j] = r(z_j | c_j), or -inf, for z d x n.
    template <class Real, class Context, class Condition>
        requires reward<Reward, owning_batch<Real, Context>, Condition>
    void operator()(batch_view<const Real, Context> z, const Condition& condition,
                    row_view<double, Context> values) {
        evaluate_reward(reward_, z, condition, values);
        assign(values, select(values < infinity, values, -infinity)); // NaN compares false
    }

    /// Writes out = dr/dz, d x n; 0 where the sample is forbidden, so that its weight of 0 meets no NaN.
    /// Cost: n gradients of r and n evaluations of it.
    template <class Real, class Context, class Condition>
        requires differentiable_reward<Reward, owning_batch<Real, Context>, Condition>
    void gradient(batch_view<const Real, Context> z, const Condition& condition,
                  batch_view<Real, Context> out) {
        const auto values = values_.template resized<double>(z.context(), 1, z.columns());
        (*this)(z, condition, row(values));
        evaluate_reward_gradient(reward_, z, condition, out);
        assign(out, select(row(values) == -infinity, 0.0, out));
    }

    /// The quadratic form of r, whose values are finite.
    [[nodiscard]] diamond::quadratic_form quadratic_form() const
        requires reward_with_quadratic_form<Reward>
    {
        return reward_.quadratic_form();
    }

private:
    Reward reward_;
    detail::workspace values_;
};

} // namespace diamond
