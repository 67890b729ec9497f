/// Transition kernel: draws x_t' given x_t, t < t'.
///
/// A type K models `transition_kernel` if
///   1. K::batch_type and k.dimension() are those of its batches;
///   2. k(x, interval{t, t'}, condition, stream, out) draws column j of out from the kernel at column j of x; every number drawn comes
///      from `stream` (stream.with(purpose) for further noises), column j from slot j; copyable, need not be const; out must not overlap x;
///   3. k.spent() is the diamond::cost of all calls so far;
///   4. k.exact() tells whether it keeps the marginals p_t of the model exactly (in floating point), from time 0 on.
/// Models: glass_kernel, early_stop_kernel, ddpm_posterior_kernel, renoise_kernel, ode_kernel, ancestral_kernel, euler_maruyama_kernel.
/// Used by: chain, smc, beam. Source: [GF], [DM], sections 4 and 5.
#pragma once

#include <concepts>

#include <diamond/concepts/posterior_sampler.hpp>

namespace diamond {

namespace detail {
template <class K>
concept transitions = requires(K& k, const_view_t<typename K::batch_type> x, interval span, const condition_of_t<K>& c, noise_stream stream,
                               view_t<typename K::batch_type> out) { k(x, span, c, stream, out); };
} // namespace detail

template <class K>
concept transition_kernel = std::copy_constructible<K> && detail::names_batch<K> && detail::has_dimension<K> && detail::transitions<K> &&
                            detail::counts_cost<K> && detail::says_exact<K>;

/// The ladder: the first clause that K breaks says what to write.
template <class K>
consteval bool diagnose_transition_kernel() {
    static_assert(std::copy_constructible<K>, "a transition kernel must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<K>, "a transition kernel needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<K>) {
        static_assert(detail::has_dimension<K>, "a transition kernel needs dimension() const, the number of rows d of its batches");
        static_assert(detail::transitions<K>,
                      "a transition kernel needs operator()(const_view x, interval, const condition&, noise_stream, view out) that draws x_to into out");
        static_assert(detail::counts_cost<K>, "a transition kernel needs spent() const, the diamond::cost of its calls so far");
        static_assert(detail::says_exact<K>, "a transition kernel needs bool exact() const: whether it keeps the model's marginals exactly");
    }
    return true;
}

} // namespace diamond
