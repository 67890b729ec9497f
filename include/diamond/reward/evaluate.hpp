/// Calls a reward of any form, pointwise or of whole batches, on the caller's thread.
#pragma once

#include <concepts>
#include <type_traits>

#include <diamond/concepts/reward.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

namespace detail {
/// Writes values[j] = r(z_j) for a reward that may be called for several columns at once.
template <class Reward, class View, class Row>
struct pointwise_functor {
    /// A guess: a reward that says column_parallel is worth spreading over the threads.
    static constexpr index_t relative_cost = 64;

    Reward reward;
    View z;
    Row values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = static_cast<double>(reward(z.column(j))); }
};
/// A reward that may be called for several columns at once, and is const then.
template <class Reward>
concept says_column_parallel = requires { requires referred_t<Reward>::column_parallel; };
} // namespace detail

/// Writes values[j] = r(z_j | c_j) for z d x n; NaN where a reward of whole batches leaves a value unwritten.
/// It refuses no value: call_reward (reward_caller.hpp) refuses NaN and +inf. What the reward throws passes
/// through. Cost: n evaluations of the reward, which it does not count.
template <class Reward, class Real, class Context, class Condition>
void evaluate_reward(Reward& reward, batch_view<const Real, Context> z, const Condition& condition,
                     row_view<double, Context> values) {
    using batch_type = owning_batch<Real, Context>;
    static_assert(diagnose_reward_call<Reward, batch_type, Condition>());
    require_columns("a reward's values", values, z.columns());
    if constexpr (!std::is_same_v<detail::referred_t<Reward>, Reward>) {
        evaluate_reward(detail::referred(reward), z, condition, values);
    } else if constexpr (detail::conditional_reward<Reward, batch_type, Condition>) {
        reward(z, condition, unwritten(values));
    } else if constexpr (detail::batchwise_reward<Reward, batch_type>) {
        reward(z, unwritten(values));
    } else if constexpr (detail::says_column_parallel<Reward> || !Context::host_memory) {
        static_assert(
            std::invocable<const Reward&, column_view<const Real>>,
            "a pointwise reward that says column_parallel, or runs on a device, must be callable when const");
        static_assert(Context::host_memory || std::is_trivially_copyable_v<Reward>,
                      "a pointwise reward that runs on a device must be trivially copyable, and its "
                      "operator() DIAMOND_HD");
        using call = detail::pointwise_functor<Reward, batch_view<const Real, Context>,
                                               row_view<double, Context>>;
        z.context().for_each(z.columns(), call{.reward = reward, .z = z, .values = values});
    } else {
        for (index_t j = 0; j < z.columns(); ++j) // in order and on this thread: the reward may keep state
            values[j] = static_cast<double>(reward(z.column(j)));
    }
}

/// Writes out = dr/dz at z, both d x n. What the reward throws passes through. Cost: n gradients of the
/// reward.
template <class Reward, class Real, class Context, class Condition>
void evaluate_reward_gradient(Reward& reward, batch_view<const Real, Context> z, const Condition& condition,
                              batch_view<Real, Context> out) {
    static_assert(diagnose_reward_call<Reward, owning_batch<Real, Context>, Condition>());
    static_assert(
        detail::reward_gradient<Reward, owning_batch<Real, Context>, Condition>,
        "a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out");
    auto& own = detail::referred(reward);
    if constexpr (requires { own.gradient(z, condition, out); })
        own.gradient(z, condition, out);
    else
        own.gradient(z, out);
}

} // namespace diamond
