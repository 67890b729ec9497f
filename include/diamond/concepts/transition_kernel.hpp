/// A transition kernel draws x_t' given x_t, t < t'.
///
/// A type K models `transition_kernel` if
///   1. K::batch_type and k.dimension() are those of its batches;
///   2. k(x, interval{t, t'}, condition, stream, out) draws column j of out from the kernel at column j of x,
///      both d x N; every number drawn comes from `stream` (stream.with(purpose) for further noises), column
///      j from slot j; K is copyable and need not be const; out must not overlap x;
///   3. k.spent() is the diamond::cost of all calls so far;
///   4. k.exact() tells whether it keeps the marginals p_t of the model exactly (in floating point), from
///      time 0 on.
///
/// It models `transition_kernel_with_density` if also
///   5. k.draw_with_density(x, interval, condition, stream, out, row log_density) makes the same draws
///      and writes the logarithm of their normalised density given x; bool exact_density() const may say that
///      this is the draws' own density, as for a posterior_sampler_with_density. early_stop_kernel has the
///      density of given x_t', log_density, too.
///
/// A `weighted_transition_kernel` is not a transition kernel: importance weights correct its draws to another
/// law, and only drivers that carry weights can use it. Each particle carries log p_t(x_t) of that law.
/// Beside 1 and 3,
///   6. k.begin(x_0, condition, row log_density) writes log p_0(x_0);
///   7. k(x, interval, condition, stream, out, const_row log_density, row next_log_density, row
///      log_weight) draws as k.kernel() does, reads log p_t(x_j), writes log p_t'(x_t'_j) and the logarithm
///      of the transition's weight, whose mean over the draws is 1 for every x_j where all p_t are of one law
///      and the draws' density is their own, which bool exact_density() const may say;
///   8. k.kernel() is the transition kernel whose draws these are; k.exact() tells whether the law is the
///      model's own.
///
/// A `steerable_kernel` is a transition kernel whose last noise e ~ N(0, I) can be given to it. Beside 1 to
/// 4,
///   9. k.schedule() is the model's schedule; k.centre(x, interval, condition, stream, out) writes the
///      transition of e = 0, and k.steered(x, interval, condition, e, centre, out) that of e, d x N, where
///      centre is what the call before wrote: its other noises are the same. With e ~ N(0, I) they draw as k
///      does. Where e is all its noise, static constexpr bool one_noise = true may say that steered reads no
///      centre, which is then not asked for where it is not needed itself;
///  10. k.noise_deviation(interval, v) is the deviation that e gives a coordinate of x_t' where the data are
///      N(., v I), and a guess of it elsewhere.
///
/// A kernel that, as far as it is exact, draws x_t' from the law of the noising process run backwards, given
/// x_t (DDPM's correlation), may say so by static constexpr bool reverses_noising = true; it then has
/// schedule(), too. Noised to t and drawn again, samples of p_t' keep their law reversibly.
///
/// A `guided_kernel` is not a transition kernel, either: its draws come from a proposal, and carry the
/// logarithm of the ratio by which they stand for the draws of a transition kernel. Beside 1 and 3,
///  11. k(x, interval, condition, stream, out, row log_ratio) draws out and writes the ratio's logarithm: the
///      mean of exp(log_ratio) f(out) is the transition kernel's mean of f, for every x_j and f;
///  12. k.kernel() is that transition kernel, and k.exact() tells what its own says.
///
/// It models `guided_kernel_with_noise` if k.kernel() is steerable and also
///  13. k.draw_with_noise(x, interval, condition, stream, noise, centre, out, row log_ratio) draws as the
///  call
///      does, always with a last noise: it writes e and the centre, d x N, of which
///      k.kernel().steered makes out, and the ratio is that of N(0, I) to the law that e was drawn from,
///      given the centre.
///
/// Models: glass_kernel, early_stop_kernel, ddpm_posterior_kernel, renoise_kernel, ode_kernel,
/// ancestral_kernel, euler_maruyama_kernel; with density early_stop_kernel, where its Diamond map has a
/// divergence; weighted corrected_kernel; steerable early_stop_kernel and the kernels of a posterior draw;
/// guided measurement_guided_kernel and value_guided_kernel. Used by: chain, smc, beam, tree_search,
/// particle_gibbs; the weighted and the guided ones by smc alone. Source: [GF], [DM], (eq. marginals-kept),
/// (eq. glass-transition).
#pragma once

#include <concepts>
#include <type_traits>

#include <diamond/concepts/posterior_sampler.hpp>

namespace diamond {

namespace detail {
template <class K>
concept transitions = requires(K& k, const_view_t<typename K::batch_type> x, interval span,
                               const condition_of_t<K>& c, noise_stream stream,
                               view_t<typename K::batch_type> out) { k(x, span, c, stream, out); };
template <class K>
concept transitions_with_density = requires(
    K& k, const_view_t<typename K::batch_type> x, interval span, const condition_of_t<K>& c,
    noise_stream stream, view_t<typename K::batch_type> out,
    row_t<typename K::batch_type> log_density) { k.draw_with_density(x, span, c, stream, out, log_density); };
template <class K>
concept weighs_transitions = requires(
    K& k, const_view_t<typename K::batch_type> x, interval span, const condition_of_t<K>& c,
    noise_stream stream, view_t<typename K::batch_type> out, const_row_t<typename K::batch_type> before,
    row_t<typename K::batch_type> numbers) { k(x, span, c, stream, out, before, numbers, numbers); };
template <class K>
concept guides_transitions = requires(
    K& k, const_view_t<typename K::batch_type> x, interval span, const condition_of_t<K>& c,
    noise_stream stream, view_t<typename K::batch_type> out,
    row_t<typename K::batch_type> log_ratio) { k(x, span, c, stream, out, log_ratio); };
template <class K>
concept takes_noise = requires(K& k, const_view_t<typename K::batch_type> x, interval span,
                               const condition_of_t<K>& c, noise_stream stream,
                               view_t<typename K::batch_type> out) {
    k.schedule();
    k.centre(x, span, c, stream, out);
    k.steered(x, span, c, x, x, out);
    { k.noise_deviation(span, 1.0) } -> std::convertible_to<double>;
};
template <class K>
inline constexpr bool has_one_noise = false;
template <class K>
    requires requires { requires K::one_noise; }
inline constexpr bool has_one_noise<K> = true;
/// Says whether K runs the noising process backwards.
template <class K>
inline constexpr bool reverses_noising = false;
template <class K>
    requires requires(const K& k) {
        requires K::reverses_noising;
        k.schedule();
    }
inline constexpr bool reverses_noising<K> = true;
template <class K>
concept guides_noise = requires(K& k, const_view_t<typename K::batch_type> x, interval span,
                                const condition_of_t<K>& c, noise_stream stream,
                                view_t<typename K::batch_type> out, row_t<typename K::batch_type> log_ratio) {
    k.draw_with_noise(x, span, c, stream, out, out, out, log_ratio);
};
template <class K>
concept begins_with_density = requires(
    K& k, const_view_t<typename K::batch_type> x, const condition_of_t<K>& c,
    row_t<typename K::batch_type> log_density) { k.begin(x, c, log_density); };
} // namespace detail

/// A kernel that draws x_{t'} given x_t, by the numbered clauses.
template <class K>
concept transition_kernel = std::copy_constructible<K> && detail::names_batch<K> &&
                            detail::has_dimension<K> && detail::transitions<K> && detail::counts_cost<K> &&
                            detail::has_exact<K>;
/// A transition kernel that also writes the log-density of each draw.
template <class K>
concept transition_kernel_with_density = transition_kernel<K> && detail::transitions_with_density<K>;
namespace detail {
template <class K>
concept names_kernel = requires(const K& k) {
    requires transition_kernel<std::remove_cvref_t<decltype(k.kernel())>>;
};
} // namespace detail
/// A transition kernel whose draws have importance weights to another density's law.
template <class K>
concept weighted_transition_kernel = std::copy_constructible<K> && detail::names_batch<K> &&
                                     detail::has_dimension<K> && detail::weighs_transitions<K> &&
                                     detail::begins_with_density<K> && detail::names_kernel<K> &&
                                     detail::counts_cost<K> && detail::has_exact<K>;

/// A transition kernel whose last noise can be given to it.
template <class K>
concept steerable_kernel = transition_kernel<K> && detail::takes_noise<K>;
/// A kernel of guided draws, with the ratio by which they stand for a transition kernel's.
template <class K>
concept guided_kernel = std::copy_constructible<K> && detail::names_batch<K> && detail::has_dimension<K> &&
                        detail::guides_transitions<K> && detail::names_kernel<K> && detail::counts_cost<K> &&
                        detail::has_exact<K> && !detail::begins_with_density<K>;
namespace detail {
template <class K>
concept names_steerable_kernel = requires(const K& k) {
    requires steerable_kernel<std::remove_cvref_t<decltype(k.kernel())>>;
};
} // namespace detail
/// A guided kernel that tells the noise it has chosen.
template <class K>
concept guided_kernel_with_noise = guided_kernel<K> && detail::names_steerable_kernel<K> &&
                                   detail::guides_noise<K>;

/// The ladder: the first clause that K breaks says what to write.
template <class K>
consteval bool diagnose_transition_kernel() {
    static_assert(std::copy_constructible<K>,
                  "a transition kernel must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<K>, "a transition kernel needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<K>) {
        static_assert(detail::has_dimension<K>,
                      "a transition kernel needs dimension() const, the number of rows d of its batches");
        static_assert(detail::transitions<K>,
                      "a transition kernel needs operator()(const_view x, interval, const condition&, "
                      "noise_stream, view out) that draws x_to into out");
        static_assert(detail::counts_cost<K>,
                      "a transition kernel needs spent() const, the diamond::cost of its calls so far");
        static_assert(
            detail::has_exact<K>,
            "a transition kernel needs bool exact() const: whether it keeps the model's marginals exactly");
    }
    return true;
}
template <class K>
consteval bool diagnose_transition_kernel_with_density() {
    static_assert(diagnose_transition_kernel<K>());
    static_assert(detail::transitions_with_density<K>,
                  "a transition kernel with density needs draw_with_density(x, interval, condition, stream, "
                  "out, row log_density); early_stop_kernel has it where its map is a Diamond map with "
                  "divergence, as network_diamond_map is of a network with divergence or a jacobian_network");
    return true;
}
template <class K>
consteval bool diagnose_weighted_transition_kernel() {
    static_assert(std::copy_constructible<K> && detail::names_batch<K> && detail::has_dimension<K> &&
                      detail::counts_cost<K> && detail::has_exact<K>,
                  "a weighted transition kernel must be copyable and needs batch_type, dimension(), spent() "
                  "and bool exact(), as a transition kernel does");
    static_assert(detail::weighs_transitions<K>,
                  "a weighted transition kernel needs operator()(const_view x, interval, const condition&, "
                  "noise_stream, view out, const_row log_density, row next_log_density, row log_weight)");
    static_assert(detail::begins_with_density<K>,
                  "a weighted transition kernel needs begin(const_view x_0, const condition&, row "
                  "log_density) that writes log p_0(x_0)");
    static_assert(
        detail::names_kernel<K>,
        "a weighted transition kernel needs kernel() const, the transition kernel whose draws it weighs");
    return true;
}
template <class K>
consteval bool diagnose_guided_kernel() {
    static_assert(std::copy_constructible<K> && detail::names_batch<K> && detail::has_dimension<K> &&
                      detail::counts_cost<K> && detail::has_exact<K>,
                  "a guided kernel must be copyable and needs batch_type, dimension(), spent() and bool "
                  "exact(), as a transition kernel does");
    static_assert(detail::guides_transitions<K>,
                  "a guided kernel needs operator()(const_view x, interval, const condition&, noise_stream, "
                  "view out, row log_ratio)");
    static_assert(detail::names_kernel<K>,
                  "a guided kernel needs kernel() const, the transition kernel that its draws stand for");
    static_assert(!detail::begins_with_density<K>,
                  "a kernel with begin(...) carries densities, and is a weighted transition kernel, whose "
                  "operator() has rows of log_density, next_log_density and log_weight; a guided kernel has "
                  "no begin");
    return true;
}
/// The ladder for parts that choose a transition's last noise.
template <class K>
consteval bool diagnose_steerable_kernel() {
    static_assert(diagnose_transition_kernel<K>());
    static_assert(detail::takes_noise<K>,
                  "a steerable kernel needs schedule(), centre(x, interval, condition, stream, out), "
                  "steered(x, interval, condition, noise, centre, out) and noise_deviation(interval, "
                  "variance), as early_stop_kernel and ddpm_posterior_kernel have");
    return true;
}
/// The ladder for parts that carry no weights, which would take the draws as they come.
template <class K>
consteval bool diagnose_transition_kernel_without_weights() {
    constexpr bool weighs = detail::weighs_transitions<K> || detail::guides_transitions<K>;
    static_assert(!weighs,
                  "this kernel's transitions carry weights that would be lost here: give it kernel.kernel(), "
                  "uncorrected, or use smc, which carries them");
    if constexpr (!weighs) static_assert(diagnose_transition_kernel<K>());
    return true;
}
namespace detail {
/// The kernel that makes the draws of k, without weights.
template <class K>
[[nodiscard]] auto draws_alone(const K& k) {
    if constexpr (weighted_transition_kernel<K> || guided_kernel<K>)
        return k.kernel();
    else
        return k;
}
} // namespace detail

/// The ladder for parts that take all kinds. It branches on the call, not on the concept, so that a kernel
/// that is nearly a weighted one is told what it lacks as such.
template <class K>
consteval bool diagnose_any_transition_kernel() {
    if constexpr (detail::weighs_transitions<K>)
        return diagnose_weighted_transition_kernel<K>();
    else if constexpr (detail::guides_transitions<K>)
        return diagnose_guided_kernel<K>();
    else
        return diagnose_transition_kernel<K>();
}

} // namespace diamond
