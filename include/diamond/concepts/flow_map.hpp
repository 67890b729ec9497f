/// Flow map: X_{t,s}(x) carries x from time t to time s along the probability-flow ODE.
///
/// A type M models `flow_map` if
///   1. M::batch_type and m.dimension() are those of its batches;
///   2. m(x, interval{t, s}, condition, out) writes X_{t,s}(x_j | c_j) into column j of out, d x N; it may own working space and so need
///      not be const, and is copyable; in either direction of time; out must not overlap x;
///   3. m.spent() is the diamond::cost of all calls so far.
/// `differentiable_flow_map`: also m.vjp(x, interval, condition, cotangent, out) writes cotangent^T dX/dx.
/// Models: ode_flow_map, network_flow_map, gaussian_flow_map, stepped_flow_map. Used by: samplers, ode_kernel, value/weighted.hpp. Source: [FM], section 3.
#pragma once

#include <concepts>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

namespace detail {
template <class M>
concept flows = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c, view_t<typename M::batch_type> out) {
    m(x, span, c, out);
};
template <class M>
concept flow_vjp = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c, view_t<typename M::batch_type> out) {
    m.vjp(x, span, c, x, out);
};
template <class M>
concept counts_cost = requires(const M& m) {
    { m.spent() } -> std::convertible_to<cost>;
};
} // namespace detail

template <class M>
concept flow_map = std::copy_constructible<M> && detail::names_batch<M> && detail::has_dimension<M> && detail::flows<M> && detail::counts_cost<M>;
template <class M>
concept differentiable_flow_map = flow_map<M> && detail::flow_vjp<M>;

/// The ladder: the first clause that M breaks says what to write.
template <class M>
consteval bool diagnose_flow_map() {
    static_assert(std::copy_constructible<M>, "a flow map must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<M>, "a flow map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<M>) {
        static_assert(detail::has_dimension<M>, "a flow map needs dimension() const, the number of rows d of its batches");
        static_assert(detail::flows<M>, "a flow map needs operator()(const_view x, interval, const condition&, view out) that writes X_{from,to}(x) into out");
        static_assert(detail::counts_cost<M>, "a flow map needs spent() const, the diamond::cost of its calls so far");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_flow_map() {
    static_assert(diagnose_flow_map<M>());
    static_assert(detail::flow_vjp<M>, "a differentiable flow map needs vjp(const_view x, interval, const condition&, const_view cotangent, view out)");
    return true;
}

} // namespace diamond
