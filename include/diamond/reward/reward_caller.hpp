/// A reward with its bill and its checks: what every estimator and driver holds in place of the bare reward.
#pragma once

#include <cmath>
#include <exception>
#include <string>
#include <utility>

#include <diamond/core/cost.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/random/philox.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

namespace detail {
struct not_a_reward {
    const double* values;
    DIAMOND_HD bool operator()(index_t j) const { return std::isnan(values[j]) || values[j] == infinity; }
};

/// A pointwise reward that is called in order, with a count that says where it threw.
template <class Reward>
struct counted_reward {
    Reward&  reward;
    index_t& calls;
    template <class Column>
    double operator()(const Column& column) const {
        ++calls;
        return static_cast<double>(reward(column));
    }
};
template <class Reward, class Batch, class Condition>
concept called_in_order = backend_of_t<Batch>::host_memory && pointwise_reward<Reward, Batch> && !batchwise_reward<Reward, Batch> && !conditional_reward<Reward, Batch, Condition> &&
                          !says_column_parallel<Reward>;

/// Runs `call`. @throws numeric_error naming step and particle with the reward's own exception nested in it.
template <class Call>
void rethrow_with_place(const char* what, index_t step, const index_t& calls, index_t samples, const Call& call) {
    try {
        call();
    } catch (const std::exception& error) {
        std::throw_with_nested(numeric_error(std::string(what) + " threw: " + error.what(), static_cast<long>(step),
                                             static_cast<long>(calls == 0 ? -1 : (calls - 1) / samples)));
    }
}
} // namespace detail

/// values[j] = r(z_j), column j belonging to particle j / samples; refuses NaN, +inf and what the reward leaves unwritten, -inf forbids a sample.
/// @throws numeric_error naming step and particle where a value is NaN or +inf, or where the reward throws: then with the reward's own
/// exception nested in it, and no particle where a whole batch was asked for at once.
template <class Reward, class Real, class Context, class Condition>
void call_reward(Reward& reward, batch_view<const Real, Context> z, const Condition& condition, index_t step, index_t samples, double* values) {
    index_t calls = 0;
    detail::rethrow_with_place("the reward", step, calls, samples, [&] {
        if constexpr (detail::called_in_order<Reward, owning_batch<Real, Context>, Condition>) {
            detail::counted_reward<Reward> counted{reward, calls};
            evaluate_reward(counted, z, condition, values);
        } else {
            evaluate_reward(reward, z, condition, values);
        }
    });
    z.context().forbid(z.columns(), detail::not_a_reward{values},
                       deferred_error{.what = "the reward is NaN or +inf: rewards must be finite, or -inf to forbid a sample", .step = step, .samples = samples, .values = values});
}

/// A reward and how often it was called, a column at a time. Called once per batch on the caller's thread.
template <class Reward, class Batch, class Condition>
class reward_caller {
    static_assert(diagnose_reward<Reward, Batch, Condition>());

public:
    explicit reward_caller(Reward reward) : reward_(std::move(reward)) {}

    [[nodiscard]] Reward&       reward() { return reward_; }
    [[nodiscard]] const Reward& reward() const { return reward_; }
    [[nodiscard]] std::int64_t  calls() const { return calls_; }

    /// See call_reward.
    void operator()(const_view_t<Batch> z, const Condition& condition, index_t step, index_t samples, double* values) {
        call_reward(reward_, z, condition, step, samples, values);
        calls_ += z.columns();
    }

    /// out = dr/dz. What the reward throws is nested in a numeric_error that names the step.
    void gradient(const_view_t<Batch> z, const Condition& condition, index_t step, view_t<Batch> out)
        requires differentiable_reward<Reward, Batch, Condition>
    {
        detail::rethrow_with_place("the reward's gradient", step, 0, 1, [&] { evaluate_reward_gradient(reward_, z, condition, out); });
    }

private:
    Reward       reward_;
    std::int64_t calls_ = 0;
};

} // namespace diamond
