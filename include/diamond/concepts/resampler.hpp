/// A resampler turns weights into ancestors, with E[offspring of i] = N w_i / sum w.
///
/// A type R models `resampler` if
///   1. r(context, cumulative, columns, stream, scratch, ancestors), const, writes N ancestors (32-bit, in
///      the context's memory) from the inclusive sums of fixed-point weights (64-bit, cumulative[N-1] > 0),
///      drawing only from `stream`; scratch is its working space; an ancestor below 0 or above N - 1 ends the
///      run with a numeric_error;
///   2. r.method() names how the error of log Z is estimated with it: diamond::log_z_error.
/// It may have r.prepare(context, n, scratch) const, which makes the room in scratch that it needs for n
/// particles, so that the first resampling of a run allocates nothing. It may say const char* name() const,
/// by which a saved run knows the resampler that it belongs to.
///
/// Models: multinomial, stratified, systematic, residual, ssp. Used by: smc, grouped_smc. See (eq.
/// resampling-unbiased).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <diamond/concepts/backend.hpp>

namespace diamond {

/// The ways to compute the standard error of log Z, (eq. log-z-variance-multinomial) to (eq. log-z-islands),
/// with F of family_square, N particles and R resamplings.
enum class log_z_error {
    /// There is none: the run is incomplete, or the resampler knows no formula for one run. The standard
    /// error is then NaN, and a warning says so.
    none,
    /// 1 - (N/(N-1))^(R+1) (1 - F): for multinomial resampling, good where the relative variance is below
    /// 0.1.
    lee_whiteley,
    /// (N F - 1)/(N - 1): for other resamplers. The standard error is within a third where the variance is
    /// below 0.1, above which it is too small; where every step resamples it is too large, by 15 to 28 % at
    /// 6 to 32 steps.
    family_weights,
    islands ///< the spread of independent runs
};

/// The working space of a resampler.
template <class Context>
struct resampling_scratch {
    /// What a resampler keeps of 64 bits: weights and sums in fixed point.
    scratch<std::uint64_t, Context> words;
    /// Indices of 32 bits that lead from sums of weights to ancestors.
    scratch<std::int32_t, Context> first, guide;
    scratch<double, Context> highest; ///< The largest of the N log weights, 1 x 1.
};

namespace detail {
template <class R, class Context>
concept chooses_ancestors = requires(const R& r, const Context& context, const std::uint64_t* cumulative,
                                     index_t n, noise_stream stream, resampling_scratch<Context>& space,
                                     std::int32_t* ancestors) {
    r(context, cumulative, n, stream, space, ancestors);
};
template <class R>
concept names_log_z_error = requires(const R& r) {
    { r.method() } -> std::same_as<log_z_error>;
};
/// The name by which a saved run knows the resampler.
template <class R>
[[nodiscard]] std::string name_of_resampler(const R& r) {
    if constexpr (requires { std::string(r.name()); })
        return r.name();
    else
        return "without a name";
}
} // namespace detail

/// A resampler, by clauses 1 and 2.
template <class R, class Context>
concept resampler = std::copy_constructible<R> && detail::chooses_ancestors<R, Context> &&
                    detail::names_log_z_error<R>;

/// The ladder: the first clause that R breaks says what to write.
template <class R, class Context>
consteval bool diagnose_resampler() {
    static_assert(std::copy_constructible<R>, "a resampler must be copyable");
    static_assert(detail::chooses_ancestors<R, Context>,
                  "a resampler needs operator()(context, const std::uint64_t* cumulative, n, noise_stream, "
                  "resampling_scratch&, std::int32_t* ancestors) const");
    static_assert(
        detail::names_log_z_error<R>,
        "a resampler needs log_z_error method() const: how the error of log Z is estimated with it");
    return true;
}

} // namespace diamond
