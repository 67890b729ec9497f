/// A Diamond network gives the mean velocity v(xbar, x_t, t, s, r) of a Diamond map, X_{s,r}(xbar | x_t, t) =
/// xbar + (r - s) v. On the diagonal r = s, v is GLASS's inner velocity; at t = 0, where x_t = 0, it is the
/// mean velocity of a flow map, and on the diagonal the velocity field of the data.
///
/// A type N models `diamond_network` if
///   0. it is copyable, and cheap to copy because copies share their weights;
///   1. N::batch_type is the type of the batches it runs on, and n.dimension() is their number of rows d;
///   2. n.schedule() and n.inner_schedule() are the noise schedules it was trained with;
///   3. n.make_workspace(context, columns) makes whatever a call on that many columns needs;
///   4. n(diamond_arguments<batch>, condition, workspace, out), const and re-entrant, writes v into column j
///      of out, d x N. A network that takes labels or vectors calls require_labels or require_vectors
///      (core/condition.hpp) before it reads any.
/// A `differentiable_diamond_network` also has n.vjp(arguments, condition, cotangent, workspace, out_xbar,
/// out_x_t), and n.jvp(arguments, condition, tangent, workspace, out) along xbar.
///
/// A `diamond_network_with_divergence` also gives the mean divergence m of its inner flow:
///   5. n(arguments, condition, workspace, out, row divergence), const and re-entrant, writes v into out
///      and m into divergence. m is +div, divided by no number; at t = 0 both are those of a flow map. Where
///      the call costs more than one evaluation, n.divergence_cost() says how much a column costs, as a
///      diamond::cost. The network may have bool exact_density() const, which its map then passes on.
/// A `differentiable_diamond_network_with_divergence` also has n.vjp(arguments, condition, cotangent, const
/// row divergence_cotangent, workspace, out_xbar, out_x_t), where null data of either cotangent stands
/// for zero.
///
/// Models: trained_network (with divergence where its architecture has that head), jacobian_network (with
/// divergence, by determinants), torch_diamond_network, openvino_diamond_network. Used by:
/// network_diamond_map, network_velocity, network_flow_map. Source: [DM], [F2], (eq. diamond-map), (eq.
/// diamond-flow-map).
#pragma once

#include <concepts>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

/// Holds the arguments of a Diamond network: views of one shape, d x N, and times in [0, 1], each one value
/// or one for each column.
template <class Batch>
struct diamond_arguments {
    /// The inner state and the noisy state that it is conditioned on, d x N each.
    const_view_t<Batch> xbar, x_t;
    time_view t, s, r; ///< The outer time of x_t, and the inner times from s to r.
};

namespace detail {
template <class N>
concept evaluates_mean_velocity = requires(const N& n, const diamond_arguments<typename N::batch_type>& at,
                                           const condition_of_t<N>& c, workspace_t<N>& w,
                                           view_t<typename N::batch_type> out) { n(at, c, w, out); };
template <class N>
concept has_mean_velocity_products = requires(const N& n, const diamond_arguments<typename N::batch_type>& at,
                                              const condition_of_t<N>& c, workspace_t<N>& w,
                                              view_t<typename N::batch_type> out) {
    n.vjp(at, c, at.xbar, w, out, out);
    n.jvp(at, c, at.xbar, w, out);
};
template <class N>
concept evaluates_divergence = requires(
    const N& n, const diamond_arguments<typename N::batch_type>& at, const condition_of_t<N>& c,
    workspace_t<N>& w, view_t<typename N::batch_type> out,
    row_t<typename N::batch_type> divergence) { n(at, c, w, out, divergence); };
template <class N>
concept has_divergence_vjp = requires(
    const N& n, const diamond_arguments<typename N::batch_type>& at, const condition_of_t<N>& c,
    workspace_t<N>& w, view_t<typename N::batch_type> out,
    const_row_t<typename N::batch_type> cotangent) { n.vjp(at, c, at.xbar, cotangent, w, out, out); };
} // namespace detail

/// A network for the mean velocity v of a Diamond map, by the numbered clauses.
template <class N>
concept diamond_network = std::copy_constructible<N> && detail::names_batch<N> && detail::has_dimension<N> &&
                          detail::names_schedules<N> && detail::makes_workspace<N> &&
                          detail::evaluates_mean_velocity<N>;
/// A Diamond network with products with its Jacobian, jvp and vjp.
template <class N>
concept differentiable_diamond_network = diamond_network<N> && detail::has_mean_velocity_products<N>;
/// A Diamond network that also writes the mean divergence along its way.
template <class N>
concept diamond_network_with_divergence = diamond_network<N> && detail::evaluates_divergence<N>;
/// A Diamond network with divergence that has products with its Jacobian.
template <class N>
concept differentiable_diamond_network_with_divergence = diamond_network_with_divergence<N> &&
                                                         detail::has_divergence_vjp<N>;

namespace detail {
/// Returns the cost of a network's evaluation with divergence on `columns` columns.
template <class N>
[[nodiscard]] cost divergence_cost(const N& network, index_t columns) {
    if constexpr (requires { cost(network.divergence_cost()); })
        return cost(network.divergence_cost()) * columns;
    else
        return {.forward = columns};
}
} // namespace detail

/// The ladder of the concept: its static_asserts say what to write where N breaks a clause, the first one
/// first.
template <class N>
consteval bool diagnose_diamond_network() {
    static_assert(std::copy_constructible<N>,
                  "a Diamond network must be copyable: share its weights through std::shared_ptr<const ...>");
    static_assert(detail::names_batch<N>, "a Diamond network needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<N>) {
        static_assert(detail::has_dimension<N>,
                      "a Diamond network needs dimension() const, the number of rows d of its batches");
        static_assert(
            detail::names_schedules<N>,
            "a Diamond network needs schedule() and inner_schedule() const, which it was trained with");
        static_assert(
            detail::makes_workspace<N>,
            "a Diamond network needs make_workspace(context, columns) const; an empty struct will do");
        if constexpr (detail::makes_workspace<N>)
            static_assert(detail::evaluates_mean_velocity<N>,
                          "a Diamond network needs operator()(diamond_arguments, const condition&, "
                          "workspace&, view out) const that writes v into out");
    }
    return true;
}
template <class N>
consteval bool diagnose_diamond_network_with_divergence() {
    static_assert(diagnose_diamond_network<N>());
    if constexpr (diamond_network<N>)
        static_assert(detail::evaluates_divergence<N>,
                      "a Diamond network with divergence needs operator()(diamond_arguments, const "
                      "condition&, workspace&, view out, row divergence) const that writes v into out "
                      "and the mean divergence into divergence");
    return true;
}

} // namespace diamond
