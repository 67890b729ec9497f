/// A reward gives a number r(z) for each sample z; the target is p^r(z) = p_data(z) exp(r(z)) / Z.
///
/// A type R models `reward` for a batch type if one of these calls works for a const or mutable r:
///   1. pointwise: r(column) gives a number, where `column` is a diamond::column_view with [i], size(),
///      begin() and end(). If it is marked DIAMOND_HD, it runs on every back end;
///   2. batchwise: r(z, values) or r(z, condition, values) writes values[j] = r(z_j), in double, for a view
///      z, d x n, and a row of n numbers, row_t<batch>.
/// A reward is copyable, and is copied: estimators and samplers take it by value, so that what it counts is
/// counted in their copy. std::ref(r) in its place is one reward for all of them, with its gradient, and need
/// not be copyable; it must outlive them. A lambda is a reward.
///
/// -inf forbids a sample; NaN or +inf is an error that names step and particle. A bool is no reward, since 0
/// and 1 would be taken for log probabilities. A reward may keep state, be costly and throw: it is called
/// once for each batch, on the caller's thread; forbid_failures{r} turns what is thrown into -inf. A reward
/// that is const and safe on several columns at once may say `static constexpr bool column_parallel = true;`,
/// and a pointwise one is then spread over the threads. On a device a pointwise reward must be const and safe
/// in this way, and its call DIAMOND_HD.
///
/// A `differentiable_reward` also has r.gradient(z, out) or r.gradient(z, condition, out), which writes
/// dr/dz, d x n. A `reward_with_quadratic_form` also has r.quadratic_form(), which gives c and q >= 0 with
/// r(z) = constant + c . z - 1/2 sum_i q_i z_i^2, from which oracles know log Z exactly; an empty vector
/// stands for zeros. A reward that is made of others names them, `using parts = std::tuple<...>`, so that the
/// ladder can blame the right one.
///
/// Models: lambdas, the rewards of reward/. Used by: value/, align/, density/.
#pragma once

#include <concepts>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/condition.hpp>

namespace diamond {

/// Holds the quadratic reward r(z) = constant + linear . z - 1/2 sum_i curvature_i z_i^2; its numbers are on
/// the host.
struct quadratic_form {
    double constant = 0.0;                           ///< The value r(0) of the form at the origin.
    std::vector<double> linear = {}, curvature = {}; ///< d numbers each; empty: zeros
};

namespace detail {
/// Returns the reward that a std::reference_wrapper refers to, or the reward itself.
template <class R>
R& referred(R& reward) {
    return reward;
}
template <class R>
R& referred(const std::reference_wrapper<R>& reward) {
    return reward.get();
}
template <class R>
R& referred(std::reference_wrapper<R>& reward) {
    return reward.get();
}
template <class R>
using referred_t = std::remove_reference_t<decltype(referred(std::declval<R&>()))>;

/// A type that is bool or a reference to one by another name.
template <class T>
concept truth = std::same_as<T, bool> || std::same_as<T, std::vector<bool>::reference> ||
                requires { requires std::same_as<typename T::value_type, bool>; };
template <class R, class Column>
concept answers_truth = requires(R& r, Column z) {
    { r(z) } -> std::convertible_to<double>;
    requires truth<std::remove_cvref_t<decltype(r(z))>>;
};
template <class R, class Column>
concept returns_number = requires(R& r, Column z) {
    { r(z) } -> std::convertible_to<double>;
} && !answers_truth<R, Column>;
template <class R, class Batch>
concept pointwise_reward = returns_number<R, column_view<const typename Batch::value_type>>;
template <class R, class Batch>
concept batchwise_reward = requires(R& r, const_view_t<Batch> z, row_t<Batch> values) { r(z, values); };
template <class R, class Batch, class Condition>
concept conditional_reward = requires(R& r, const_view_t<Batch> z, const Condition& c, row_t<Batch> values) {
    r(z, c, values);
};
template <class R, class Batch, class Condition>
concept reward_gradient = requires(referred_t<R>& r, const_view_t<Batch> z, view_t<Batch> out) {
    r.gradient(z, out);
} || requires(referred_t<R>& r, const_view_t<Batch> z, const Condition& c, view_t<Batch> out) {
    r.gradient(z, c, out);
};

/// Says whether `test` holds for R, or for one of the rewards that R is made of.
template <class R, class Test>
consteval bool is_or_has(Test test) {
    if constexpr (requires { typename R::parts; })
        return []<class... Parts>(std::type_identity<std::tuple<Parts...>>, Test each) {
            return (is_or_has<Parts>(each) || ...);
        }(std::type_identity<typename R::parts>{}, test);
    else
        return test.template operator()<R>();
}
template <class R, class Batch>
concept reads_batch = std::invocable<R&, column_view<const typename Batch::value_type>> ||
                      batchwise_reward<R, Batch>;
template <class Batch>
struct returns_truth {
    template <class R>
    consteval bool operator()() const {
        return answers_truth<R, column_view<const typename Batch::value_type>>;
    }
};
/// Tests whether a reward takes columns of Real where those of Batch are of another number type.
template <class Batch, class Real>
struct wants_particles {
    template <class R>
    consteval bool operator()() const {
        if constexpr (std::same_as<Real, typename Batch::value_type> || reads_batch<R, Batch>)
            return false;
        else
            return reads_batch<R, rebind_t<Batch, Real>>;
    }
};
template <class Batch>
struct wants_to_write {
    template <class R>
    consteval bool operator()() const {
        if constexpr (reads_batch<R, Batch>)
            return false;
        else
            return std::invocable<R&, column_view<typename Batch::value_type>>;
    }
};
} // namespace detail

/// A reward r(z), by the numbered clauses.
template <class R, class Batch, class Condition = no_condition>
concept reward = detail::pointwise_reward<R, Batch> || detail::batchwise_reward<R, Batch> ||
                 detail::conditional_reward<R, Batch, Condition>;
/// A reward that can also be differentiated: it adds grad r to a batch.
template <class R, class Batch, class Condition = no_condition>
concept differentiable_reward = reward<R, Batch, Condition> && detail::reward_gradient<R, Batch, Condition>;
/// A reward that is a quadratic form of z, and says which: its tilted laws are then known exactly.
template <class R>
concept reward_with_quadratic_form = requires(const R& r) {
    { r.quadratic_form() } -> std::convertible_to<quadratic_form>;
};

/// The ladder of the concept: its static_asserts say what to write where R breaks a clause, the first one
/// first.
template <class R, class Batch, class Condition = no_condition>
consteval bool diagnose_reward_call() {
    static_assert(
        !detail::is_or_has<R>(detail::returns_truth<Batch>{}),
        "a reward is no bool, of which 0 and 1 would be taken for log probabilities: give a number, or 0 "
        "where it is true and -infinity where it is not, `return inside(z) ? 0.0 : -diamond::infinity;`");
    // A generic call is asked for other columns only where it fails anyway.
    if constexpr (!reward<R, Batch, Condition>) {
        static_assert(!detail::is_or_has<R>(detail::wants_particles<Batch, double>{}),
                      "this reward takes double, and the particles are float: write "
                      "diamond::column_view<const float>, or `const auto&`");
        static_assert(!detail::is_or_has<R>(detail::wants_particles<Batch, float>{}),
                      "this reward takes float, and the particles are double: write "
                      "diamond::column_view<const double>, or `const auto&`");
        static_assert(!detail::is_or_has<R>(detail::wants_to_write<Batch>{}),
                      "this reward would write its column: write diamond::column_view<const float> (or "
                      "double, as the particles are), or `const auto&`");
    }
    static_assert(
        reward<R, Batch, Condition>,
        "a reward is callable as double r(column), or as void r(const_view z, row_t<batch> values), "
        "or as void r(z, condition, row_t<batch> values)");
    return true;
}
/// The ladder of a reward that is kept, and so copied.
template <class R, class Batch, class Condition = no_condition>
consteval bool diagnose_reward() {
    static_assert(std::copy_constructible<R>,
                  "a reward must be copyable, for estimators and samplers keep copies: let it share what is "
                  "not through std::shared_ptr, or pass std::ref(reward)");
    return diagnose_reward_call<R, Batch, Condition>();
}
template <class R, class Batch, class Condition = no_condition>
consteval bool diagnose_differentiable_reward() {
    static_assert(diagnose_reward<R, Batch, Condition>());
    static_assert(
        detail::reward_gradient<R, Batch, Condition>,
        "a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out");
    return true;
}

} // namespace diamond
