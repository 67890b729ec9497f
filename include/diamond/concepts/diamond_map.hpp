/// A Diamond map (posterior map, stochastic flow map) X_{s,r}(xbar | x_t, t) is the flow map of the inner
/// flow that carries noise at s = 0 to a draw of p_{1|t}(. | x_t) at s = 1. X_{0,1}(xbar_0 | x_t, t) with
/// xbar_0 ~ N(0, I) samples the posterior in one evaluation.
///
/// A type M models `diamond_map` if
///   1. M::batch_type is the type of its batches, and m.dimension() is their number of rows d;
///   2. m.schedule() and m.inner_schedule() are the outer and the inner noise schedule;
///   3. m(xbar, interval{s, r}, x_t, t, condition, out) writes X_{s,r}(xbar_j | x_t_j, t_j) into column j of
///      out. xbar, x_t and out are d x N, t is one time or one a column, 0 <= s, r <= 1 in either order, and
///      out must not overlap xbar or x_t. Where alpha(t) = 0, x_t is not used, and may be all zeros or
///      anything else. The map is copyable, and the call need not be const;
///   4. m.spent() is the diamond::cost of all calls so far.
/// A `differentiable_diamond_map` also has m.vjp(xbar, inner, x_t, t, condition, cotangent, out_xbar,
/// out_x_t), which writes the cotangents of xbar and x_t.
///
/// A `diamond_map_with_divergence` also knows what its inner flow does to densities, by one evaluation of
/// both:
///   5. m(xbar, interval{s, r}, x_t, t, condition, out, row divergence) also writes into divergence[j]
///      the mean divergence m(xbar_j, x_t_j, t_j, s, r) of the inner flow, for which log q_r(X_{s,r}(xbar)) =
///      log q_s(xbar) - (r - s) m, where q_s is the law of xbar_s given x_t; at s = r it is div ubar_s. It is
///      divided by no number, and is given for either direction of the inner time. `divergence` is in the
///      memory of the batch.
/// Such a map may have bool exact_density() const, which says whether m is that of its own X_{s,r}, so that
/// the densities of its draws are exactly theirs.
///
/// Models: glass_diamond_map (by ODE; with divergence where it is made of one), network_diamond_map (with
/// divergence of a network that has one), gaussian_diamond_map (in closed form). Used by: early_stop_kernel
/// and diamond_map_posterior, whose draws know their density where the map has a divergence. Source: [DM],
/// (eq. diamond-map), (eq. posterior-draw-density).
#pragma once

#include <concepts>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/schedule.hpp>

namespace diamond {

namespace detail {
template <class M>
concept names_schedules = requires(const M& m) {
    { m.schedule() } -> schedule;
    { m.inner_schedule() } -> schedule;
};
template <class M>
concept maps_posterior = requires(M& m, const_view_t<typename M::batch_type> x, interval span, time_view t,
                                  const condition_of_t<M>& c,
                                  view_t<typename M::batch_type> out) { m(x, span, x, t, c, out); };
template <class M>
concept posterior_vjp = requires(M& m, const_view_t<typename M::batch_type> x, interval span, time_view t,
                                 const condition_of_t<M>& c, view_t<typename M::batch_type> out) {
    m.vjp(x, span, x, t, c, x, out, out);
};
template <class M>
concept maps_posterior_with_divergence = requires(
    M& m, const_view_t<typename M::batch_type> x, interval span, time_view t, const condition_of_t<M>& c,
    view_t<typename M::batch_type> out,
    row_t<typename M::batch_type> divergence) { m(x, span, x, t, c, out, divergence); };
} // namespace detail

/// A Diamond map: X_{s,r}(xbar | x_t, t), by clauses 1 to 4.
template <class M>
concept diamond_map = std::copy_constructible<M> && detail::names_batch<M> && detail::has_dimension<M> &&
                      detail::names_schedules<M> && detail::maps_posterior<M> && detail::counts_cost<M>;
/// A Diamond map that can also be differentiated: it has vjp.
template <class M>
concept differentiable_diamond_map = diamond_map<M> && detail::posterior_vjp<M>;
/// A Diamond map that also knows the mean divergence along its way.
template <class M>
concept diamond_map_with_divergence = diamond_map<M> && detail::maps_posterior_with_divergence<M>;

/// The ladder of the concept: its static_asserts say what to write where M breaks a clause, the first one
/// first.
template <class M>
consteval bool diagnose_diamond_map() {
    static_assert(std::copy_constructible<M>,
                  "a Diamond map must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<M>, "a Diamond map needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<M>) {
        static_assert(detail::has_dimension<M>,
                      "a Diamond map needs dimension() const, the number of rows d of its batches");
        static_assert(
            detail::names_schedules<M>,
            "a Diamond map needs schedule() and inner_schedule() const, its outer and inner noise schedules");
        static_assert(detail::maps_posterior<M>,
                      "a Diamond map needs operator()(const_view xbar, interval inner, const_view x_t, "
                      "time_view t, const condition&, view out)");
        static_assert(detail::counts_cost<M>,
                      "a Diamond map needs spent() const, the diamond::cost of its calls so far");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_diamond_map() {
    static_assert(diagnose_diamond_map<M>());
    static_assert(detail::posterior_vjp<M>, "a differentiable Diamond map needs vjp(xbar, inner, x_t, t, "
                                            "condition, cotangent, out_xbar, out_x_t)");
    return true;
}
template <class M>
consteval bool diagnose_diamond_map_with_divergence() {
    static_assert(diagnose_diamond_map<M>());
    static_assert(detail::maps_posterior_with_divergence<M>,
                  "a Diamond map with divergence needs operator()(const_view xbar, interval inner, "
                  "const_view x_t, time_view t, const condition&, view out, row divergence) that writes "
                  "X_{s,r} into out and the mean divergence of the inner flow into divergence");
    return true;
}

} // namespace diamond
