/// The policies of a training, found by role: each type says by what it can do whether it is a time sampler,
/// a pair sampler, a loss weighting, a flow-map loss, a trace estimator, a teacher or a gradient sum.
#pragma once

#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/train/flow_map_losses.hpp>
#include <diamond/train/gradient_sum.hpp>
#include <diamond/train/loss_weighting.hpp>
#include <diamond/train/option_checks.hpp>
#include <diamond/train/teacher.hpp>
#include <diamond/train/trace_estimators.hpp>
#include <diamond/train/training_options.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

namespace detail {
enum class training_role { none, times, pairs, weighting, loss, trace, velocities, sum };

template <class Policy, class Network>
consteval training_role role_of() {
    using batch = typename Network::batch_type;
    // A loss comes first, because a template of two arguments may pass for a time sampler, too.
    if constexpr (flow_map_loss<Policy, Network>)
        return training_role::loss;
    else if constexpr (time_sampler<Policy>)
        return training_role::times;
    else if constexpr (pair_sampler<Policy>)
        return training_role::pairs;
    else if constexpr (loss_weighting<Policy, batch>)
        return training_role::weighting;
    else if constexpr (trace_estimator<Policy, batch>)
        return training_role::trace;
    else if constexpr (velocity_teacher<Policy, Network>)
        return training_role::velocities;
    else if constexpr (gradient_sum<Policy, batch>)
        return training_role::sum;
    else
        return training_role::none;
}
template <training_role Role, class Network, class... Policies>
inline constexpr bool at_most_one = (0 + ... + (role_of<Policies, Network>() == Role ? 1 : 0)) <= 1;

/// Returns the policy of a role, moved, or the default if there is none.
template <training_role Role, class Network, class Default>
Default take_policy() {
    return {};
}
template <training_role Role, class Network, class Default, class First, class... Rest>
auto take_policy(First& first, Rest&... rest) {
    if constexpr (role_of<First, Network>() == Role)
        return First(std::move(first));
    else
        return take_policy<Role, Network, Default>(rest...);
}
template <training_role Role, class Network, class Default, class... Policies>
using policy_of = decltype(take_policy<Role, Network, Default>(std::declval<Policies&>()...));
} // namespace detail

/// The ladder of the policies: the first sentence that fails says what to change.
template <class Network, class... Policies>
consteval bool diagnose_training_policies() {
    using detail::training_role, detail::at_most_one;
    static_assert(
        ((detail::role_of<Policies, Network>() != training_role::none) && ...),
        "a policy of diamond_trainer has no role: it must be a time_sampler, pair_sampler, loss_weighting, "
        "flow_map_loss, trace_estimator, velocity_teacher or gradient_sum, as these concepts of "
        "diamond/train "
        "say");
    static_assert(at_most_one<training_role::times, Network, Policies...>,
                  "diamond_trainer takes one time_sampler, e.g. uniform_time");
    static_assert(at_most_one<training_role::pairs, Network, Policies...>,
                  "diamond_trainer takes one pair_sampler, e.g. triangle_pair");
    static_assert(at_most_one<training_role::weighting, Network, Policies...>,
                  "diamond_trainer takes one loss_weighting, e.g. adaptive_weight");
    static_assert(at_most_one<training_role::loss, Network, Policies...>,
                  "diamond_trainer takes one flow_map_loss, e.g. lagrangian_loss");
    static_assert(at_most_one<training_role::trace, Network, Policies...>,
                  "diamond_trainer takes one trace_estimator, e.g. exact_trace");
    static_assert(at_most_one<training_role::velocities, Network, Policies...>,
                  "diamond_trainer takes one velocity_teacher, e.g. glass_teacher");
    static_assert(at_most_one<training_role::sum, Network, Policies...>,
                  "diamond_trainer takes one gradient_sum, e.g. whole_batch");
    return true;
}

namespace detail {
/// One policy of each role: those given, and defaults for the others.
template <class Network, class... Policies>
struct training_policies {
    template <training_role Role, class Default>
    using chosen = policy_of<Role, Network, Default, Policies...>;

    chosen<training_role::times, uniform_time> times;
    chosen<training_role::pairs, triangle_pair> pairs;
    chosen<training_role::weighting, adaptive_weight> weighting;
    chosen<training_role::loss, lagrangian_loss> loss;
    chosen<training_role::trace, default_trace> trace;
    chosen<training_role::velocities, no_teacher> velocities;
    chosen<training_role::sum, whole_batch> sum;

    explicit training_policies(Policies&... given)
        : times(take_policy<training_role::times, Network, uniform_time>(given...)),
          pairs(take_policy<training_role::pairs, Network, triangle_pair>(given...)),
          weighting(take_policy<training_role::weighting, Network, adaptive_weight>(given...)),
          loss(take_policy<training_role::loss, Network, lagrangian_loss>(given...)),
          trace(take_policy<training_role::trace, Network, default_trace>(given...)),
          velocities(take_policy<training_role::velocities, Network, no_teacher>(given...)),
          sum(take_policy<training_role::sum, Network, whole_batch>(given...)) {}

    /// @throws std::invalid_argument with the name and the number of the first member that is out of range.
    void check() const {
        check_options(times);
        check_options(pairs);
        check_options(loss);
        check_options(trace);
        check_options(weighting);
    }
};

/// Returns all options and policies that a step depends on, as text, except the teacher.
template <class Policies>
[[nodiscard]] std::string text_of_training(const diamond_training_options& o, const Policies& p) {
    return digits_of(o.steps) + " steps of " + digits_of(o.batch) + " columns, diagonal " +
           digits_of(o.diagonal) + ", diagonal_first " + digits_of(o.diagonal_first) + ", times " +
           text_of(p.times) + ", pairs " + text_of(p.pairs) + ", label_dropout " +
           digits_of(o.condition_dropout) + ", variance_floor " + digits_of(o.variance_floor) + ", loss " +
           text_of(p.loss) + ", off_diagonal " + digits_of(o.off_diagonal) + ", divergence " +
           digits_of(o.divergence) + ", trace " + text_of(p.trace) + ", weighting " + text_of(p.weighting) +
           ", rate " + o.rate.text() + ", optimiser " + o.optimiser.text() + ", average " +
           digits_of(o.average);
}
} // namespace detail

} // namespace diamond
