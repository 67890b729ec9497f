/// Joint Diamond map: a Diamond map that also knows what its inner flow does to densities, by one evaluation of both.
///
/// A type M models `joint_diamond_map` if it models diamond_map and m(xbar, interval{s, r}, x_t, t, condition, out, double* divergence) writes
/// X_{s,r}(xbar_j | x_t_j, t_j) into column j of out, and into divergence[j] the mean divergence m(xbar, x_t, t, s, r) of the inner flow, for which
/// log q_r(X_{s,r}(xbar)) = log q_s(xbar) - (r - s) m, q_s the law of xbar_s given x_t: div ubar_s where s = r, divided by nothing. Either
/// direction of the inner time; out must not overlap; divergence is in the memory of the batch. It may say bool exact_density() const: whether m is that of
/// its own X_{s,r}, so that draws by it have their very own density.
/// Models: posterior_diamond_map of a joint network, glass_joint_diamond_map (by ODE), gaussian_diamond_map (closed). Used by: diamond_posterior and
/// early_stop_kernel, for draws that know their density. Source: section 8.
#pragma once

#include <diamond/concepts/diamond_map.hpp>

namespace diamond {

namespace detail {
template <class M>
concept maps_posterior_jointly = requires(M& m, const_view_t<typename M::batch_type> x, interval span, time_view t, const condition_of_t<M>& c, view_t<typename M::batch_type> out,
                                          double* divergence) { m(x, span, x, t, c, out, divergence); };
} // namespace detail

template <class M>
concept joint_diamond_map = diamond_map<M> && detail::maps_posterior_jointly<M>;

/// The ladder: the first clause that M breaks says what to write.
template <class M>
consteval bool diagnose_joint_diamond_map() {
    static_assert(diagnose_diamond_map<M>());
    static_assert(detail::maps_posterior_jointly<M>,
                  "a joint Diamond map needs operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition&, view out, double* divergence) that writes "
                  "X_{s,r} into out and the mean divergence of the inner flow into divergence");
    return true;
}

} // namespace diamond
