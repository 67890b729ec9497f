/// A flow map X_{t,s}(x) carries x from time t to time s along the probability-flow ODE.
///
/// A type M models `flow_map` if
///   1. M::batch_type is the type of its batches, and m.dimension() is their number of rows d;
///   2. m(x, interval{t, s}, condition, out) writes X_{t,s}(x_j | c_j) into column j of out, in either
///      direction of time. x and out are d x N and must not overlap. The map is copyable; it may own working
///      space, and so the call need not be const;
///   3. m.spent() is the diamond::cost of all calls so far.
/// A `differentiable_flow_map` also has m.vjp(x, interval, condition, cotangent, out), which writes
/// cotangent^T dX/dx.
///
/// A `flow_map_with_divergence`, which [F2] calls a joint flow map, also knows what it does to densities, by
/// one evaluation of both:
///   4. m.schedule() is the noise schedule of its times;
///   5. m(x, interval{t, s}, condition, out, row divergence) also writes into divergence[j] the mean
///      divergence m(x_j, t, s), for which log p_s(X_{t,s}(x)) = log p_t(x) - (s - t) m(x, t, s): the mean of
///      +div u along the path, and div u(x, t) where s = t. It is divided by no number, and `divergence` is
///      in the memory of the batch.
/// Such a map need not say how it was trained: sign, divisor and base deviation of a head are undone before
/// its numbers come here. A `differentiable_flow_map_with_divergence` also has m.vjp(x, interval, condition,
/// cotangent, const_row divergence_cotangent, out), which writes cotangent^T dX/dx + divergence_cotangent
/// dm/dx. Null data of either cotangent stands for zero, and the map may then leave that part out.
///
/// Models: ode_flow_map (with divergence where it is made of one), network_flow_map (with divergence of a
/// network that has one), gaussian_flow_map, stepped_flow_map (with divergence of a map that has one),
/// mean_velocity_map, mean_flow_map, shortcut_map, consistency_map (a look-ahead only). Used
/// by: samplers, ode_kernel, weighted_value; with divergence by density/ and negative_log_likelihood. Source:
/// [FM], [F2], (eq. flow-map), (eq. density-jump).
#pragma once

#include <concepts>

#include <diamond/concepts/schedule.hpp>
#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

namespace detail {
template <class M>
concept flows = requires(M& m, const_view_t<typename M::batch_type> x, interval span,
                         const condition_of_t<M>& c,
                         view_t<typename M::batch_type> out) { m(x, span, c, out); };
template <class M>
concept flow_vjp = requires(M& m, const_view_t<typename M::batch_type> x, interval span,
                            const condition_of_t<M>& c,
                            view_t<typename M::batch_type> out) { m.vjp(x, span, c, x, out); };
template <class M>
concept flows_with_divergence = requires(M& m, const_view_t<typename M::batch_type> x, interval span,
                                         const condition_of_t<M>& c, view_t<typename M::batch_type> out,
                                         row_t<typename M::batch_type> divergence) {
    m(x, span, c, out, divergence);
};
template <class M>
concept divergence_vjp = requires(
    M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c,
    const_row_t<typename M::batch_type> divergence_cotangent,
    view_t<typename M::batch_type> out) { m.vjp(x, span, c, x, divergence_cotangent, out); };
template <class M>
concept counts_cost = requires(const M& m) {
    { m.spent() } -> std::convertible_to<cost>;
};
} // namespace detail

/// A flow map: X_{t,s}(x), by clauses 1 to 3.
template <class M>
concept flow_map = std::copy_constructible<M> && detail::names_batch<M> && detail::has_dimension<M> &&
                   detail::flows<M> && detail::counts_cost<M>;
/// A flow map that can also be differentiated: it has vjp.
template <class M>
concept differentiable_flow_map = flow_map<M> && detail::flow_vjp<M>;
/// A flow map that also knows the mean divergence along its way: clauses 4 and 5.
template <class M>
concept flow_map_with_divergence = flow_map<M> && detail::names_schedule<M> &&
                                   detail::flows_with_divergence<M>;
/// A flow map with divergence that can also be differentiated: its vjp takes a cotangent of the divergence,
/// too.
template <class M>
concept differentiable_flow_map_with_divergence = flow_map_with_divergence<M> && detail::divergence_vjp<M>;

/// The ladder of the concept: its static_asserts say what to write where M breaks a clause, the first one
/// first.
template <class M>
consteval bool diagnose_flow_map() {
    static_assert(std::copy_constructible<M>,
                  "a flow map must be copyable: keep working space in diamond::scratch");
    static_assert(
        detail::names_batch<M>,
        "a flow map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<M>) {
        static_assert(detail::has_dimension<M>,
                      "a flow map needs dimension() const, the number of rows d of its batches");
        static_assert(detail::flows<M>, "a flow map needs operator()(const_view x, interval, const "
                                        "condition&, view out) that writes X_{from,to}(x) into out");
        static_assert(detail::counts_cost<M>,
                      "a flow map needs spent() const, the diamond::cost of its calls so far");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_flow_map() {
    static_assert(diagnose_flow_map<M>());
    static_assert(detail::flow_vjp<M>, "a differentiable flow map needs vjp(const_view x, interval, const "
                                       "condition&, const_view cotangent, view out)");
    return true;
}
template <class M>
consteval bool diagnose_flow_map_with_divergence() {
    static_assert(diagnose_flow_map<M>());
    if constexpr (flow_map<M>) {
        static_assert(detail::names_schedule<M>,
                      "a flow map with divergence needs schedule() const, the noise schedule of its times");
        static_assert(detail::flows_with_divergence<M>,
                      "a flow map with divergence needs operator()(const_view x, interval, const condition&, "
                      "view out, row divergence) that writes X_{from,to}(x) into out and the mean "
                      "divergence into divergence");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_flow_map_with_divergence() {
    static_assert(diagnose_flow_map_with_divergence<M>());
    static_assert(detail::divergence_vjp<M>,
                  "a differentiable flow map with divergence needs vjp(const_view x, interval, const "
                  "condition&, const_view cotangent, const_row divergence_cotangent, view out), either "
                  "cotangent null for zero");
    return true;
}

} // namespace diamond
