/// Joint flow map: a flow map that also knows what it does to densities, by one evaluation of both.
///
/// A type M models `joint_flow_map` if it models flow_map and
///   1. m.schedule() is the noise schedule of its times;
///   2. m(x, interval{t, s}, condition, out, double* divergence) writes X_{t,s}(x_j) into column j of out, d x N, and into divergence[j] the
///      mean divergence m(x_j, t, s), for which log p_s(X_{t,s}(x)) = log p_t(x) - (s - t) m(x, t, s): the mean of +div u along the path,
///      div u(x, t) where s = t, divided by nothing. Either direction of time; out must not overlap x; divergence is in the memory of the batch.
/// `differentiable_joint_flow_map`: also m.vjp(x, interval, condition, cotangent, const double* divergence_cotangent, out) writes
/// cotangent^T dX/dx + divergence_cotangent dm/dx. Null data of either cotangent means zero, and a map may then leave that head out.
/// It need not say how it was trained: sign, divisor and base deviation of a head are undone before they come here.
/// Models: ode_joint_flow_map, network_joint_flow_map, gaussian_joint_flow_map, stepped_flow_map of one of them. Used by: likelihood/. Source: [F2], section 8.
#pragma once

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/posterior_sampler.hpp>

namespace diamond {

namespace detail {
template <class M>
concept flows_jointly = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c, view_t<typename M::batch_type> out,
                                 double* divergence) { m(x, span, c, out, divergence); };
template <class M>
concept joint_vjp = requires(M& m, const_view_t<typename M::batch_type> x, interval span, const condition_of_t<M>& c, const double* divergence_cotangent,
                             view_t<typename M::batch_type> out) { m.vjp(x, span, c, x, divergence_cotangent, out); };
} // namespace detail

template <class M>
concept joint_flow_map = flow_map<M> && detail::names_schedule<M> && detail::flows_jointly<M>;
template <class M>
concept differentiable_joint_flow_map = joint_flow_map<M> && detail::joint_vjp<M>;

/// The ladder: the first clause that M breaks says what to write.
template <class M>
consteval bool diagnose_joint_flow_map() {
    static_assert(diagnose_flow_map<M>());
    if constexpr (flow_map<M>) {
        static_assert(detail::names_schedule<M>, "a joint flow map needs schedule() const, the noise schedule of its times");
        static_assert(detail::flows_jointly<M>, "a joint flow map needs operator()(const_view x, interval, const condition&, view out, double* divergence) that writes "
                                                "X_{from,to}(x) into out and the mean divergence into divergence");
    }
    return true;
}
template <class M>
consteval bool diagnose_differentiable_joint_flow_map() {
    static_assert(diagnose_joint_flow_map<M>());
    static_assert(detail::joint_vjp<M>, "a differentiable joint flow map needs vjp(const_view x, interval, const condition&, const_view cotangent, "
                                        "const double* divergence_cotangent, view out), either cotangent null for zero");
    return true;
}

} // namespace diamond
