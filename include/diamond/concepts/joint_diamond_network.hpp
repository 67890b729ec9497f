/// Joint Diamond network: the mean velocity v(xbar, x_t, t, s, r) of a Diamond map, and the mean divergence m of its inner flow.
///
/// A type N models `joint_diamond_network` if it models diamond_network and n.joint(arguments, condition, workspace, out, double* divergence), const
/// and re-entrant, writes v into out, d x N, and m, +div divided by nothing, into divergence; at t = 0 both are a joint flow map's. Where that costs
/// more than an evaluation, n.joint_cost() says how much a column, a diamond::cost. It may say bool exact_density() const, as its map then does.
/// `differentiable_joint_diamond_network`: also n.joint_vjp(arguments, condition, cotangent, const double* divergence_cotangent, workspace, out_xbar,
/// out_x_t), either cotangent null for zero.
/// Models: trained_joint_network, jacobian_network. Used by: posterior_diamond_map, network_joint_flow_map. Source: [F2], section 8.
#pragma once

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

template <class N>
concept joint_diamond_network = diamond_network<N> && requires(const N& n, const diamond_arguments<typename N::batch_type>& at, const condition_of_t<N>& c, detail::workspace_t<N>& w,
                                                               view_t<typename N::batch_type> out, double* divergence) { n.joint(at, c, w, out, divergence); };
template <class N>
concept differentiable_joint_diamond_network =
    joint_diamond_network<N> && requires(const N& n, const diamond_arguments<typename N::batch_type>& at, const condition_of_t<N>& c, detail::workspace_t<N>& w,
                                         view_t<typename N::batch_type> out, const double* k) { n.joint_vjp(at, c, at.xbar, k, w, out, out); };

namespace detail {
template <class N>
[[nodiscard]] cost joint_cost(const N& network, index_t columns) {
    if constexpr (requires { cost(network.joint_cost()); })
        return cost(network.joint_cost()) * columns;
    else
        return {.forward = columns};
}
} // namespace detail

/// The ladder: the first clause that N breaks says what to write.
template <class N>
consteval bool diagnose_joint_diamond_network() {
    static_assert(diagnose_diamond_network<N>());
    static_assert(joint_diamond_network<N>, "a joint Diamond network needs joint(diamond_arguments, const condition&, workspace&, view out, double* divergence) const that writes v "
                                            "into out and the mean divergence into divergence");
    return true;
}

} // namespace diamond
