/// The sum of several rewards.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/groups_of.hpp>
#include <diamond/reward/detail/workspace.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

namespace detail {
/// The length of a quadratic form's vectors, of which an empty one stands for zeros. @throws
/// std::invalid_argument with both lengths where they differ.
inline std::size_t require_form(const quadratic_form& form) {
    require(form.linear.empty() || form.curvature.empty() || form.linear.size() == form.curvature.size(),
            [&] {
                return "a quadratic form of " + digits_of(form.linear.size()) + " linear coefficients and " +
                       digits_of(form.curvature.size()) + " curvatures";
            });
    return form.linear.empty() ? form.curvature.size() : form.linear.size();
}
} // namespace detail

/// The reward r(z) = sum_k r_k(z), `sum_reward{a, b, c}`, whose parts are called in order. Each part may be
/// of any form, a lambda too, and may take the condition. -inf in a part forbids the sample. It has a
/// gradient, or a quadratic form, if all parts have one.
template <class... Rewards>
class sum_reward {
    static_assert(sizeof...(Rewards) > 0, "a sum of rewards needs a part");

public:
    using parts = std::tuple<Rewards...>;

    /// Takes the rewards whose sum it is.
    explicit sum_reward(Rewards... rewards) : parts_(std::move(rewards)...) {}

    /// Returns the number of groups of columns that the parts are made for, as grouped_reward does; 0 where
    /// all of them are the same for all columns. @throws std::invalid_argument with two of the numbers where
    /// they differ.
    [[nodiscard]] index_t groups() const {
        index_t found = 0;
        const auto join = [&](index_t more) {
            require(found == 0 || more == 0 || found == more, [&] {
                return "sum_reward: parts of " + digits_of(found) + " and of " + digits_of(more) +
                       " groups of columns: they must be of the same groups";
            });
            if (more != 0) found = more;
        };
        std::apply([&](const auto&... each) { (join(detail::groups_of(each)), ...); }, parts_);
        return found;
    }

    /// Writes values[j] = sum_k r_k(z_j | c_j) for z d x n.
    template <class Real, class Context, class Condition>
        requires(reward<Rewards, owning_batch<Real, Context>, Condition> && ...)
    void operator()(batch_view<const Real, Context> z, const Condition& condition,
                    row_view<double, Context> values) {
        const auto add = [&](auto& part) {
            const auto more = values_.template resized<double>(z.context(), 1, z.columns());
            evaluate_reward(part, z, condition, row(more));
            assign(values, values + row(more));
        };
        std::apply(
            [&](auto& first, auto&... rest) {
                evaluate_reward(first, z, condition, values);
                (add(rest), ...);
            },
            parts_);
    }

    /// Writes out = sum_k dr_k/dz, d x n.
    template <class Real, class Context, class Condition>
        requires(differentiable_reward<Rewards, owning_batch<Real, Context>, Condition> && ...)
    void gradient(batch_view<const Real, Context> z, const Condition& condition,
                  batch_view<Real, Context> out) {
        const auto add = [&](auto& part) {
            const auto more = gradient_.template resized<Real>(z.context(), z.rows(), z.columns());
            evaluate_reward_gradient(part, z, condition, more);
            assign(out, out + more);
        };
        std::apply(
            [&](auto& first, auto&... rest) {
                evaluate_reward_gradient(first, z, condition, out);
                (add(rest), ...);
            },
            parts_);
    }

    /// The sum of the parts' quadratic forms, with empty vectors where all are empty. @throws
    /// std::invalid_argument with both lengths where they differ.
    [[nodiscard]] diamond::quadratic_form quadratic_form() const
        requires(reward_with_quadratic_form<Rewards> && ...)
    {
        return std::apply(
            [](const auto& first, const auto&... rest) {
                diamond::quadratic_form total = first.quadratic_form();
                detail::require_form(total);
                (add_form(rest.quadratic_form(), total), ...);
                return total;
            },
            parts_);
    }

private:
    /// total += more. @throws std::invalid_argument with both lengths where they differ.
    static void add_form(const diamond::quadratic_form& more, diamond::quadratic_form& total) {
        const std::size_t length = detail::require_form(more), before = detail::require_form(total);
        require(length == 0 || before == 0 || length == before, [&] {
            return "sum_reward: parts of dimension " + digits_of(before) + " and " + digits_of(length);
        });
        total.constant += more.constant;
        add_numbers(more.linear, total.linear);
        add_numbers(more.curvature, total.curvature);
    }
    /// total += more, where an empty vector stands for zeros.
    static void add_numbers(const std::vector<double>& more, std::vector<double>& total) {
        if (total.empty()) total.resize(more.size());
        for (std::size_t i = 0; i < more.size(); ++i) total[i] += more[i];
    }

    std::tuple<Rewards...> parts_;
    detail::workspace values_, gradient_;
};

} // namespace diamond
