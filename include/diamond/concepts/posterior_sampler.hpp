/// A posterior sampler draws z ~ p_{1|t}(. | x_t).
///
/// A type P models `posterior_sampler` if
///   1. P::batch_type and p.dimension() are those of its batches;
///   2. p.schedule() is the (outer) noise schedule;
///   3. p(x_t, t, condition, stream, out) writes M = stream.samples draws a particle: x_t is d x N, t one
///      time, out is d x (N M), draw i of particle j in column j M + i; every number drawn comes from
///      `stream` (or from stream.with(another purpose)); P is copyable and need not be const;
///   4. p.spent() is the diamond::cost of all calls so far;
///   5. p.exact() tells whether its draws follow the model's posterior exactly (in floating point) or
///      approximate it.
///
/// It models `differentiable_posterior_sampler` if also
///   6. p.vjp(x_t, t, condition, stream, cotangent, out), by the same stream, writes the sum over a
///      particle's draws of cotangent^T dz/dx_t with the noise held fixed: cotangent is d x (N M), out is d x
///      N.
///
/// It models `posterior_sampler_with_density` if also
///   7. p.draw_with_density(x_t, t, condition, stream, out, row log_density) makes the same draws and
///      writes log q(z | x_t) of each, N M numbers, normalised in z. bool exact_density() const may say
///      whether that is the density of these very draws (in floating point); where it does not, the density
///      is taken for that of a learned head or a solver. diamond_map_posterior has the density of given z,
///      log_density, too.
///
/// A `weighted_posterior_sampler` is none of these: p(x_t, t, condition, stream, out, row log_weights)
/// also writes a draw's log importance weight, up to a number a particle. Draws by these weights follow the
/// posterior of whatever law the sampler corrects its draws to; p.exact() tells whether that is the model's.
///
/// Models: diamond_map_posterior (of a Diamond map), exact_posterior (of an oracle), resampled_posterior (of
/// a weighted one); with density diamond_map_posterior, where its Diamond map has a divergence; weighted
/// corrected_posterior. Used by: kernels, posterior_value, moment_value, cumulant_value. Source: [DM], [GF],
/// (eq. posterior-draw), (eq. corrected-posterior-weight).
#pragma once

#include <concepts>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/schedule.hpp>

namespace diamond {

namespace detail {
template <class P>
concept draws_posterior = requires(P& p, const_view_t<typename P::batch_type> x, double t,
                                   const condition_of_t<P>& c, noise_stream stream,
                                   view_t<typename P::batch_type> out) { p(x, t, c, stream, out); };
template <class P>
concept draws_vjp = requires(P& p, const_view_t<typename P::batch_type> x, double t,
                             const condition_of_t<P>& c, noise_stream stream,
                             view_t<typename P::batch_type> out) { p.vjp(x, t, c, stream, x, out); };
template <class P>
concept draws_posterior_with_density = requires(
    P& p, const_view_t<typename P::batch_type> x, double t, const condition_of_t<P>& c, noise_stream stream,
    view_t<typename P::batch_type> out,
    row_t<typename P::batch_type> log_density) { p.draw_with_density(x, t, c, stream, out, log_density); };
template <class P>
concept weighs_draws = requires(
    P& p, const_view_t<typename P::batch_type> x, double t, const condition_of_t<P>& c, noise_stream stream,
    view_t<typename P::batch_type> out,
    row_t<typename P::batch_type> log_weights) { p(x, t, c, stream, out, log_weights); };
template <class P>
concept has_exact = requires(const P& p) {
    { p.exact() } -> std::same_as<bool>;
};
/// Says whether `part` is exact: it is not where it does not say.
template <class Part>
[[nodiscard]] bool is_exact(const Part& part) {
    if constexpr (has_exact<Part>)
        return part.exact();
    else
        return false;
}
/// Says whether the log-densities that `part` gives of its draws are the draws' own: they are not where it
/// does not say.
template <class Part>
[[nodiscard]] bool knows_own_density(const Part& part) {
    if constexpr (requires { bool(part.exact_density()); })
        return part.exact_density();
    else
        return false;
}
} // namespace detail

/// A sampler of z given x_t, by the numbered clauses.
template <class P>
concept posterior_sampler = std::copy_constructible<P> && detail::names_batch<P> &&
                            detail::has_dimension<P> && detail::names_schedule<P> &&
                            detail::draws_posterior<P> && detail::counts_cost<P> && detail::has_exact<P>;
/// A posterior sampler whose draws can be differentiated in x_t.
template <class P>
concept differentiable_posterior_sampler = posterior_sampler<P> && detail::draws_vjp<P>;
/// A posterior sampler that also writes the log-density of each draw.
template <class P>
concept posterior_sampler_with_density = posterior_sampler<P> && detail::draws_posterior_with_density<P>;
/// A posterior sampler whose draws have importance weights to another density's posterior.
template <class P>
concept weighted_posterior_sampler = std::copy_constructible<P> && detail::names_batch<P> &&
                                     detail::has_dimension<P> && detail::names_schedule<P> &&
                                     detail::weighs_draws<P> && detail::counts_cost<P> &&
                                     detail::has_exact<P>;

/// The ladder: the first clause that P breaks says what to write.
template <class P>
consteval bool diagnose_posterior_sampler() {
    static_assert(std::copy_constructible<P>,
                  "a posterior sampler must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<P>, "a posterior sampler needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<P>) {
        static_assert(detail::has_dimension<P>,
                      "a posterior sampler needs dimension() const, the number of rows d of its batches");
        static_assert(detail::names_schedule<P>,
                      "a posterior sampler needs schedule() const, its noise schedule");
        static_assert(detail::draws_posterior<P>,
                      "a posterior sampler needs operator()(const_view x_t, double t, const condition&, "
                      "noise_stream, view out), out d x (N * stream.samples)");
        static_assert(detail::counts_cost<P>,
                      "a posterior sampler needs spent() const, the diamond::cost of its calls so far");
        static_assert(detail::has_exact<P>, "a posterior sampler needs bool exact() const: whether its draws "
                                            "follow the model's posterior exactly");
    }
    return true;
}
template <class P>
consteval bool diagnose_differentiable_posterior_sampler() {
    static_assert(diagnose_posterior_sampler<P>());
    static_assert(detail::draws_vjp<P>,
                  "a differentiable posterior sampler needs vjp(x_t, t, condition, stream, cotangent, out)");
    return true;
}
template <class P>
consteval bool diagnose_posterior_sampler_with_density() {
    static_assert(diagnose_posterior_sampler<P>());
    static_assert(detail::draws_posterior_with_density<P>,
                  "a posterior sampler with density needs draw_with_density(x_t, t, condition, stream, out, "
                  "row log_density); diamond_map_posterior has it where its map is a Diamond map with "
                  "divergence, as network_diamond_map is of a network with divergence or a jacobian_network");
    return true;
}
template <class P>
consteval bool diagnose_weighted_posterior_sampler() {
    static_assert(std::copy_constructible<P> && detail::names_batch<P> && detail::has_dimension<P> &&
                      detail::names_schedule<P> && detail::counts_cost<P> && detail::has_exact<P>,
                  "a weighted posterior sampler must be copyable and needs batch_type, dimension(), "
                  "schedule(), spent() and bool exact(), as a posterior sampler does");
    static_assert(detail::weighs_draws<P>,
                  "a weighted posterior sampler needs operator()(const_view x_t, double t, const condition&, "
                  "noise_stream, view out, row log_weights), N * stream.samples of them");
    return true;
}
/// The ladder for parts that have no use for weights, which would take the draws as they come.
template <class P>
consteval bool diagnose_posterior_sampler_without_weights() {
    static_assert(!detail::weighs_draws<P>,
                  "these posterior draws carry weights that would be lost here: give it "
                  "resampled_posterior{sampler}, which draws by them, or sampler.sampler()");
    if constexpr (!detail::weighs_draws<P>) static_assert(diagnose_posterior_sampler<P>());
    return true;
}
/// The ladder for parts that take both kinds. It branches on the call, not on the concept, so that a sampler
/// that is nearly a weighted one is told what it lacks as such.
template <class P>
consteval bool diagnose_any_posterior_sampler() {
    if constexpr (detail::weighs_draws<P>)
        return diagnose_weighted_posterior_sampler<P>();
    else
        return diagnose_posterior_sampler<P>();
}

} // namespace diamond
