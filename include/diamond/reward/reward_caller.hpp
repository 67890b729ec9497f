/// Calls a reward, counts the calls, and refuses NaN and +inf: what estimators, drivers and objectives call a
/// reward by.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include <diamond/core/errors.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

namespace detail {
/// A pointwise reward that is called column by column and counts the calls, so that the count says where it
/// threw.
template <class Reward>
struct counted_reward {
    Reward& reward;
    index_t& calls;
    template <class Column>
    double operator()(const Column& column) const {
        ++calls;
        return static_cast<double>(reward(column));
    }
};
/// A reward that evaluate_reward calls column by column, in order, on the caller's thread.
template <class Reward, class Batch, class Condition>
concept called_in_order = backend_of_t<Batch>::host_memory && pointwise_reward<Reward, Batch> &&
                          !batchwise_reward<Reward, Batch> && !conditional_reward<Reward, Batch, Condition> &&
                          !says_column_parallel<Reward>;

/// Runs `call`. @throws numeric_error naming the step and the particle, with the exception of the reward
/// nested in it; no particle is named where `calls` is 0.
template <class Call>
void rethrow_with_place(const char* what, index_t step, const index_t& calls, index_t samples,
                        const Call& call) {
    try {
        call();
    } catch (const std::exception& error) {
        std::throw_with_nested(numeric_error(std::string(what) + " threw: " + error.what(),
                                             static_cast<long>(step),
                                             static_cast<long>(calls == 0 ? -1 : (calls - 1) / samples)));
    }
}
} // namespace detail

/// Writes values[j] = r(z_j) for z d x n, whose column j belongs to particle j / samples. NaN, +inf and a
/// value that the reward leaves unwritten are refused; -inf forbids a sample.
/// @throws numeric_error naming the step and the particle where a value is NaN or +inf, and where the reward
/// throws; the exception of the reward is then nested in it, and no particle is named where the reward takes
/// a whole batch. Cost: n evaluations of the reward.
template <class Reward, class Real, class Context, class Condition>
void call_reward(Reward& reward, batch_view<const Real, Context> z, const Condition& condition, index_t step,
                 index_t samples, row_view<double, Context> values) {
    index_t calls = 0;
    detail::rethrow_with_place("the reward", step, calls, samples, [&] {
        if constexpr (detail::called_in_order<Reward, owning_batch<Real, Context>, Condition>) {
            detail::counted_reward<Reward> counted{reward, calls};
            evaluate_reward(counted, z, condition, values);
        } else {
            evaluate_reward(reward, z, condition, values);
        }
    });
    z.context().forbid(
        z.columns(), elementwise<detail::is_no_log_weight>(values),
        deferred_error{
            .what = "the reward is NaN or +inf: rewards must be finite, or -inf to forbid a sample",
            .step = step,
            .samples = samples,
            .values = values.data()});
}

/// A reward and the number of columns that it was called for. A reward of whole batches is called once a
/// batch, on the caller's thread.
template <class Reward, class Batch, class Condition>
class reward_caller {
    static_assert(diagnose_reward<Reward, Batch, Condition>());

public:
    /// Takes the reward whose calls are counted; the count begins at 0.
    explicit reward_caller(Reward reward) : reward_(std::move(reward)) {}

    [[nodiscard]] Reward& reward() { return reward_; }
    [[nodiscard]] const Reward& reward() const { return reward_; }
    /// The number of columns evaluated so far.
    [[nodiscard]] std::int64_t calls() const { return calls_; }

    /// Writes values[j] = r(z_j), by call_reward. Cost: n evaluations of the reward, which calls() counts.
    /// @throws numeric_error as call_reward does.
    void operator()(const_view_t<Batch> z, const Condition& condition, index_t step, index_t samples,
                    row_t<Batch> values) {
        call_reward(reward_, z, condition, step, samples, values);
        calls_ += z.columns();
    }

    /// Writes out = dr/dz, d x n. @throws numeric_error naming the step, with the exception of the reward
    /// nested in it, where the reward throws. Cost: n gradients of the reward, which calls() does not count.
    void gradient(const_view_t<Batch> z, const Condition& condition, index_t step, view_t<Batch> out)
        requires differentiable_reward<Reward, Batch, Condition>
    {
        detail::rethrow_with_place("the reward's gradient", step, 0, 1,
                                   [&] { evaluate_reward_gradient(reward_, z, condition, out); });
    }

private:
    Reward reward_;
    std::int64_t calls_ = 0;
};

} // namespace diamond
