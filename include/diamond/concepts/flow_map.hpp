/// Flow map: X_{t,s}(x) carries x from time t to time s along the probability-flow ODE.
///
/// A type M models `flow_map` if
///   1. M::batch_type and m.dimension() are those of its batches;
///   2. m(x, interval{t, s}, condition, out) writes X_{t,s}(x_j | c_j) into column j of out, d x N; it may own working space and so need
///      not be const, and is copyable; in either direction of time; out must not overlap x;
///   3. m.spent() is the diamond::cost of all calls so far.
/// `differentiable_flow_map`: also m.vjp(x, interval, condition, cotangent, out) writes cotangent^T dX/dx.
///
/// `flow_map_with_divergence`, which [F2] calls a joint flow map, also knows what it does to densities, by one evaluation of both:
///   4. m.schedule() is the noise schedule of its times;
///   5. m(x, interval{t, s}, condition, out, double* divergence) also writes into divergence[j] the mean divergence m(x_j, t, s), for which
///      log p_s(X_{t,s}(x)) = log p_t(x) - (s - t) m(x, t, s): the mean of +div u along the path, div u(x, t) where s = t, divided by
///      nothing. divergence is in the memory of the batch.
/// It need not say how it was trained: sign, divisor and base deviation of a head are undone before they come here.
/// `differentiable_flow_map_with_divergence`: also m.vjp(x, interval, condition, cotangent, const double* divergence_cotangent, out) writes
/// cotangent^T dX/dx + divergence_cotangent dm/dx. Null data of either cotangent means zero, and a map may then leave that part out.
///
/// Models: ode_flow_map (with divergence where it is made of one), network_flow_map (of a network with divergence), gaussian_flow_map,
/// stepped_flow_map (of one of them). Used by: samplers, ode_kernel, value/weighted_value.hpp; with divergence by density/, negative_log_likelihood.
/// Source: [FM], [F2], sections 3 and 8.
#pragma once

#include <concepts>

#include <diamond/concepts/schedule.hpp>
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
concept flows_with_divergence = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c,
                                         view_t<typename M::batch_type> out, double* divergence) { m(x, span, c, out, divergence); };
template <class M>
concept divergence_vjp = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c,
                                  const double* divergence_cotangent, view_t<typename M::batch_type> out) {
    m.vjp(x, span, c, x, divergence_cotangent, out);
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
template <class M>
concept flow_map_with_divergence = flow_map<M> && detail::names_schedule<M> && detail::flows_with_divergence<M>;
template <class M>
concept differentiable_flow_map_with_divergence = flow_map_with_divergence<M> && detail::divergence_vjp<M>;

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
template <class M>
consteval bool diagnose_flow_map_with_divergence() {
    static_assert(diagnose_flow_map<M>());
    if constexpr (flow_map<M>) {
        static_assert(detail::names_schedule<M>, "a flow map with divergence needs schedule() const, the noise schedule of its times");
        static_assert(detail::flows_with_divergence<M>,
                      "a flow map with divergence needs operator()(const_view x, interval, const condition&, view out, double* divergence) "
                      "that writes X_{from,to}(x) into out and the mean divergence into divergence");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_flow_map_with_divergence() {
    static_assert(diagnose_flow_map_with_divergence<M>());
    static_assert(detail::divergence_vjp<M>,
                  "a differentiable flow map with divergence needs vjp(const_view x, interval, const condition&, const_view cotangent, "
                  "const double* divergence_cotangent, view out), either cotangent null for zero");
    return true;
}

} // namespace diamond
