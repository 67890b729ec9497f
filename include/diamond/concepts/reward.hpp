/// Reward: a number for each sample; the target is p^r(z) = p_data(z) exp(r(z)) / Z.
///
/// A type R models `reward` for batches B if one of these works for a const or mutable r:
///   1. pointwise: r(column) gives a number, `column` a diamond::column_view with [i], size(), begin(), end(). Mark it DIAMOND_HD and it
///      runs on every back end;
///   2. batchwise: r(z, values) writes values[j] = r(z_j) (double) for a d x n view z; or r(z, condition, values).
/// A lambda is a reward. -inf forbids a sample; NaN or +inf is an error that names step and particle. It may keep state, be costly and
/// throw: it is called once per batch on the caller's thread. A reward that is const and safe on several columns at once may say
/// `static constexpr bool column_parallel = true;`, and a pointwise one is then spread over the threads. On a device a pointwise reward must be all of
/// this, and its call DIAMOND_HD.
/// `differentiable_reward`: also r.gradient(z, out) or r.gradient(z, condition, out) writes dr/dz, d x n.
/// `quadratic_reward_form`: also r.quadratic_form() gives c and q >= 0 with r(z) = constant + c . z - 1/2 sum_i q_i z_i^2, from which
/// oracles know log Z exactly.
/// Models: lambdas, reward/. Used by: value/, align/.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/condition.hpp>

namespace diamond {

/// r(z) = constant + linear . z - 1/2 sum_i curvature_i z_i^2, on the host.
struct quadratic_form {
    double              constant = 0.0;
    std::vector<double> linear, curvature;
};

namespace detail {
template <class R, class Batch>
concept pointwise_reward = requires(R& r, column_view<const typename Batch::value_type> z) {
    { r(z) } -> std::convertible_to<double>;
};
template <class R, class Batch>
concept batchwise_reward = requires(R& r, const_view_t<Batch> z, double* values) { r(z, values); };
template <class R, class Batch, class Condition>
concept conditional_reward = requires(R& r, const_view_t<Batch> z, const Condition& c, double* values) { r(z, c, values); };
template <class R, class Batch, class Condition>
concept reward_gradient = requires(R& r, const_view_t<Batch> z, view_t<Batch> out) { r.gradient(z, out); } ||
                          requires(R& r, const_view_t<Batch> z, const Condition& c, view_t<Batch> out) { r.gradient(z, c, out); };
} // namespace detail

template <class R, class Batch, class Condition = no_condition>
concept reward = detail::pointwise_reward<R, Batch> || detail::batchwise_reward<R, Batch> || detail::conditional_reward<R, Batch, Condition>;
template <class R, class Batch, class Condition = no_condition>
concept differentiable_reward = reward<R, Batch, Condition> && detail::reward_gradient<R, Batch, Condition>;
template <class R>
concept reward_with_quadratic_form = requires(const R& r) {
    { r.quadratic_form() } -> std::convertible_to<quadratic_form>;
};

/// The ladder: the first clause that R breaks says what to write.
template <class R, class Batch, class Condition = no_condition>
consteval bool diagnose_reward() {
    static_assert(reward<R, Batch, Condition>,
                  "a reward is callable as double r(column), or as void r(const_view z, double* values), or as void r(z, condition, double* values)");
    return true;
}
template <class R, class Batch, class Condition = no_condition>
consteval bool diagnose_differentiable_reward() {
    static_assert(diagnose_reward<R, Batch, Condition>());
    static_assert(detail::reward_gradient<R, Batch, Condition>, "a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out");
    return true;
}

} // namespace diamond
