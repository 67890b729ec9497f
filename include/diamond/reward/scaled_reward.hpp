/// A reward times a number.
#pragma once

#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/groups_of.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

/// The reward factor r(z), `scaled_reward{2.0, r}`, for r of any form. It has a gradient, or a quadratic
/// form, if r has one; a negative factor makes the curvature negative, which oracles refuse. Where r is -inf,
/// a factor of 0 gives NaN and a negative one +inf, which samplers refuse.
template <class Reward>
class scaled_reward {
public:
    using parts = std::tuple<Reward>;

    /// @throws std::invalid_argument unless the factor is finite.
    scaled_reward(double factor, Reward reward) : factor_(factor), reward_(std::move(reward)) {
        require(std::isfinite(factor),
                [&] { return "scaled_reward: factor " + digits_of(factor) + " must be finite"; });
    }

    /// Returns the finite factor that r is multiplied by.
    [[nodiscard]] double factor() const { return factor_; }

    /// Returns the number of groups of columns that r is made for, as grouped_reward does; 0 where r is the
    /// same for all columns.
    [[nodiscard]] index_t groups() const { return detail::groups_of(reward_); }

    /// Writes values[j] = factor r(z_j | c_j) for z d x n.
    template <class Real, class Context, class Condition>
        requires reward<Reward, owning_batch<Real, Context>, Condition>
    void operator()(batch_view<const Real, Context> z, const Condition& condition,
                    row_view<double, Context> values) {
        evaluate_reward(reward_, z, condition, values);
        assign(values, factor_ * values);
    }

    /// Writes out = factor dr/dz, d x n.
    template <class Real, class Context, class Condition>
        requires differentiable_reward<Reward, owning_batch<Real, Context>, Condition>
    void gradient(batch_view<const Real, Context> z, const Condition& condition,
                  batch_view<Real, Context> out) {
        evaluate_reward_gradient(reward_, z, condition, out);
        assign(out, elementwise<detail::multiplied>(factor_, out)); // in double, which a linear sum is not
    }

    /// The quadratic form of r times the factor.
    [[nodiscard]] diamond::quadratic_form quadratic_form() const
        requires reward_with_quadratic_form<Reward>
    {
        diamond::quadratic_form form = reward_.quadratic_form();
        form.constant *= factor_;
        for (double& slope : form.linear) slope *= factor_;
        for (double& curvature : form.curvature) curvature *= factor_;
        return form;
    }

private:
    double factor_;
    Reward reward_;
};

} // namespace diamond
