/// Resamplers: from log weights to cumulative weights in fixed point, and from these to ancestors. See
/// (eq. fixed-point-weights), (eq. resampling).
///
/// Weights are 64-bit integers, whose sums are exact in any order, so that ancestors agree on every back end
/// and number of threads.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <diamond/concepts/resampler.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

namespace detail {
__extension__ using double_word = unsigned __int128; // products of two 64-bit words

/// round(w scale) of a weight w = exp(log_weight), with log_weight <= 0.
DIAMOND_HD inline std::uint64_t to_fixed_point(double log_weight, double scale) {
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): the same on a device, and ties do not matter
    return static_cast<std::uint64_t>(exp_nonpositive(log_weight) * scale + 0.5);
}
} // namespace detail

/// The number that stands for the largest of N weights: 2^62 over N rounded up to a power of two, so that the
/// sum of all cannot overflow.
[[nodiscard]] inline double fixed_point_scale(index_t columns) {
    return std::ldexp(1.0, 62 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(columns - 1))));
}

/// cumulative[j] = sum_{i <= j} of the weights in fixed point, relative to the largest; N = columns log
/// weights. The largest log weight must be finite; -inf weighs nothing.
template <class Context>
void cumulative_weights(const Context& context, const double* log_weight, index_t columns,
                        resampling_scratch<Context>& space, std::uint64_t* cumulative) {
    space.highest.resize(context, 1, 1);
    double* const highest = space.highest.data();
    const auto weights = row(context, columns, log_weight);
    const auto relative = weights - number_at(highest);
    context.max(columns, weights, highest);
    assign(row(context, columns, cumulative),
           elementwise<detail::to_fixed_point>(relative, fixed_point_scale(columns)));
    context.scan_sum(cumulative, columns, cumulative);
}

namespace detail {

/// u in [0, 1) as an integer over 2^53.
DIAMOND_HD inline std::uint64_t to_53_bits(double u) { return static_cast<std::uint64_t>(u * 0x1p53); }

/// draws x / total = quotient + remainder / total in exact arithmetic, for 0 <= x <= total < 2^63 and draws <
/// 2^31. A division of 128 bits would cost more than all else in a resampler. So the quotient is guessed in
/// double, which errs by less than 1, and put right.
struct share_of_draws {
    std::int64_t quotient, remainder;

    DIAMOND_HD share_of_draws(std::uint64_t x, std::uint64_t total, std::uint64_t draws) {
        const auto whole = static_cast<std::int64_t>(total);
        const double rate = static_cast<double>(draws) / static_cast<double>(whole);
        quotient = static_cast<std::int64_t>(static_cast<double>(static_cast<std::int64_t>(x)) * rate);
        // This difference fits a word where its products do not.
        remainder = static_cast<std::int64_t>(x * draws - static_cast<std::uint64_t>(quotient) * total);
        const bool low = remainder < 0, high = remainder >= whole;
        quotient += (high ? 1 : 0) - (low ? 1 : 0);
        remainder += (low ? whole : 0) - (high ? whole : 0);
    }
};

/// The offset u_k of draw k within its stratum, the same for all draws: the greatest integer at or below u
/// total.
struct same_offset {
    std::uint64_t bits; ///< u 2^53
    DIAMOND_HD std::int64_t operator()(std::int64_t, std::uint64_t total) const {
        return static_cast<std::int64_t>(double_word{bits} * total >> 53);
    }
};
/// The offset u_k of draw k within its stratum, a uniform number for each draw.
struct offset_per_stratum {
    noise_stream stream;
    DIAMOND_HD std::int64_t operator()(std::int64_t k, std::uint64_t total) const {
        return same_offset{to_53_bits(stream.uniform(k))}(k, total);
    }
};

/// How many k < draws have (k + u_k)/draws . total < cumulative, in exact arithmetic. total > 0.
template <class Offset>
DIAMOND_HD std::int64_t draws_below(std::uint64_t cumulative, std::uint64_t total, std::uint64_t draws,
                                    const Offset& offset) {
    const share_of_draws share(cumulative, total, draws);
    const std::int64_t below = share.quotient + (offset(share.quotient, total) < share.remainder ? 1 : 0);
    const auto most = static_cast<std::int64_t>(draws);
    return below < most ? below : most;
}

/// through[i] = the number of offspring of particles 0 ... i.
template <class Context, class Offset>
struct count_offspring {
    row_view<const std::uint64_t, Context> cumulative;
    Offset offset;
    row_view<std::int32_t, Context> through;
    DIAMOND_HD void operator()(index_t i) const {
        const index_t n = cumulative.columns();
        through[i] = static_cast<std::int32_t>(
            draws_below(cumulative[i], cumulative[n - 1], static_cast<std::uint64_t>(n), offset));
    }
};
/// Marks the first offspring of every particle that has one; a running maximum then names every ancestor. A
/// particle that has none marks a place of its own behind the others: that costs less than a branch.
template <class Context>
struct mark_first_offspring {
    row_view<const std::int32_t, Context> through;
    row_view<std::int32_t, Context> first; ///< 2 N places, the first N of them 0
    DIAMOND_HD void operator()(index_t i) const {
        const index_t begin = i == 0 ? 0 : through[i - 1], places[] = {through.columns() + i, begin};
        first[places[begin < through[i] ? 1 : 0]] = static_cast<std::int32_t>(i);
    }
};
/// Turns `ancestors` = the number of offspring of particles 0 ... i into the ancestor of each draw.
template <class Context>
void name_ancestors(const Context& context, index_t columns, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) {
    space.first.resize(context, 2, columns);
    std::int32_t* const first = space.first.data();
    diamond::set_to_zero(batch_view<std::int32_t, Context>(first, 1, columns, &context));
    context.for_each(columns, mark_first_offspring<Context>{.through = row(context, columns, ancestors),
                                                            .first = row(context, 2 * columns, first)});
    context.scan_max(first, columns, ancestors);
}
template <class Context, class Offset>
void stratify(const Context& context, const std::uint64_t* cumulative, index_t columns, const Offset& offset,
              resampling_scratch<Context>& space, std::int32_t* ancestors) {
    context.for_each(columns,
                     count_offspring<Context, Offset>{.cumulative = row(context, columns, cumulative),
                                                      .offset = offset,
                                                      .through = row(context, columns, ancestors)});
    name_ancestors(context, columns, space, ancestors);
}

/// ancestors[k] = the smallest i with cumulative[i] > u total, u uniform. `guide` has the answers for u =
/// k/N, between which it must lie (Chen and Asau 1974): a search of all weights would miss the cache at every
/// turn.
template <class Context>
struct find_ancestor {
    row_view<const std::uint64_t, Context> cumulative;
    row_view<const std::int32_t, Context> guide;
    noise_stream stream;
    row_view<std::int32_t, Context> ancestors;
    DIAMOND_HD void operator()(index_t k) const {
        const index_t n = cumulative.columns();
        const philox_block words = stream.words(k, 0);
        const std::uint64_t u = std::uint64_t{words.word[1]} << 32 | words.word[0];
        const auto target = static_cast<std::uint64_t>(double_word{u} * cumulative[n - 1] >> 64);
        const auto stratum = static_cast<index_t>(double_word{u} * static_cast<std::uint64_t>(n) >> 64);
        index_t low = guide[stratum], high = stratum + 1 < n ? guide[stratum + 1] : n - 1;
        while (low < high) {
            const index_t middle = low + (high - low) / 2;
            if (cumulative[middle] > target)
                high = middle;
            else
                low = middle + 1;
        }
        ancestors[k] = static_cast<std::int32_t>(low);
    }
};

/// N w_i / total = copies + remainder / total.
template <class Context>
struct split_copies {
    row_view<const std::uint64_t, Context> cumulative;
    int shift; ///< so many bits a remainder loses, for the sum of all not to overflow
    row_view<std::uint64_t, Context> copies, remainders;
    DIAMOND_HD void operator()(index_t i) const {
        const index_t n = cumulative.columns();
        const std::uint64_t weight = cumulative[i] - (i == 0 ? 0 : cumulative[i - 1]);
        const share_of_draws share(weight, cumulative[n - 1], static_cast<std::uint64_t>(n));
        copies[i] = static_cast<std::uint64_t>(share.quotient);
        remainders[i] = static_cast<std::uint64_t>(share.remainder) >> shift;
    }
};
/// through[i] = the number of offspring of particles 0 ... i: their copies, and the draws that are left to
/// the remainders.
template <class Context>
struct count_residual_offspring {
    row_view<const std::uint64_t, Context> copies, remainders; ///< inclusive sums of both
    same_offset offset;
    row_view<std::int32_t, Context> through;
    DIAMOND_HD void operator()(index_t i) const {
        const index_t n = copies.columns();
        const std::uint64_t left = static_cast<std::uint64_t>(n) - copies[n - 1];
        const std::uint64_t total = remainders[n - 1];
        const auto drawn = left == 0 || total == 0 ? 0 : draws_below(remainders[i], total, left, offset);
        through[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(copies[i]) + drawn);
    }
};

/// Rounds the remainders to 0 or 1 copies, two at a time: of a pair one takes as much of the other's as fits,
/// each keeping its mean, until it is 0 or 1, and the other goes on. In exact arithmetic, but for a uniform
/// of 64 bits.
template <class Context>
struct round_pairs {
    noise_stream stream;
    row_view<const std::uint64_t, Context> cumulative; ///< a remainder as large as its last is one copy
    row_view<const std::uint64_t, Context> remainders;
    row_view<std::uint64_t, Context> copies;
    DIAMOND_HD void operator()(index_t) const {
        const index_t n = cumulative.columns();
        const std::uint64_t whole = cumulative[n - 1];
        index_t open = 0;
        std::uint64_t p = 0; // of `open`, where it is not 0
        for (index_t i = 0; i < n; ++i) {
            const std::uint64_t q = remainders[i];
            if (q == 0) continue;
            if (p == 0) {
                open = i;
                p = q;
                continue;
            }
            const philox_block words = stream.words(i, 0);
            const std::uint64_t u = std::uint64_t{words.word[1]} << 32 | words.word[0], both = p + q;
            const bool up = both >= whole;
            const std::uint64_t range = up ? 2 * whole - both : both, own = up ? whole - q : p;
            const bool first = static_cast<std::uint64_t>(double_word{u} * range >> 64) < own;
            if (up) ++copies[first ? open : i];
            if (first == up) open = i; // the other of the pair is settled
            p = up ? both - whole : both;
        }
    }
};

} // namespace detail

/// Independent draws in proportion to the weights: the largest variance, and the one whose error is best
/// understood.
struct multinomial {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    noise_stream stream, resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        space.guide.resize(context, 1, columns);
        detail::stratify(context, cumulative, columns, detail::same_offset{0}, space, space.guide.data());
        context.for_each(columns,
                         detail::find_ancestor<Context>{.cumulative = row(context, columns, cumulative),
                                                        .guide = row(space.guide),
                                                        .stream = stream,
                                                        .ancestors = row(context, columns, ancestors)});
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
        space.guide.resize(context, 1, columns);
    }
    [[nodiscard]] const char* name() const { return "multinomial"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::lee_whiteley; }
};

/// One draw in each of N equal strata.
struct stratified {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    noise_stream stream, resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        detail::stratify(context, cumulative, columns, detail::offset_per_stratum{stream}, space, ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "stratified"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// One uniform for all draws: ancestor k is the smallest i whose cumulative weight exceeds (u + k)/N of the
/// total.
struct systematic {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    noise_stream stream, resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        with_offset(context, cumulative, columns, stream.uniform(0), space, ancestors);
    }
    /// Resamples by a given u in [0, 1).
    template <class Context>
    void with_offset(const Context& context, const std::uint64_t* cumulative, index_t columns, double u,
                     resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        detail::stratify(context, cumulative, columns, detail::same_offset{detail::to_53_bits(u)}, space,
                         ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "systematic"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// floor(N w) copies of each particle, the rest by systematic resampling of the remainders. Whole copies do
/// not move the offset, so to rounding these are the ancestors of systematic resampling.
struct residual {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    noise_stream stream, resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        space.words.resize(context, 2, columns);
        const auto copies = row(context, columns, space.words.data());
        const auto remainders = row(context, columns, space.words.data() + columns);
        context.for_each(columns,
                         detail::split_copies<Context>{
                             .cumulative = row(context, columns, cumulative),
                             .shift = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(columns))),
                             .copies = copies,
                             .remainders = remainders});
        context.scan_sum(copies.data(), columns, copies.data());
        context.scan_sum(remainders.data(), columns, remainders.data());
        context.for_each(columns, detail::count_residual_offspring<Context>{
                                      .copies = copies,
                                      .remainders = remainders,
                                      .offset = {detail::to_53_bits(stream.uniform(0))},
                                      .through = row(context, columns, ancestors)});
        detail::name_ancestors(context, columns, space, ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
        space.words.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "residual"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// floor(N w) or one more copies of each particle: Srinivasan's sampling process. The remainders are rounded
/// two at a time, so that offspring are negatively associated, and SMC converges for any order of the
/// particles, which is not known of systematic resampling.
///
/// One lane does it, N steps one after the other, which on a device is slow. Source: Gerber, Chopin,
/// Whiteley, Negative association, ordering and convergence of resampling methods, Annals of Statistics 2019.
struct ssp {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns,
                    noise_stream stream, resampling_scratch<Context>& space, std::int32_t* ancestors) const {
        space.words.resize(context, 2, columns);
        const auto copies = row(context, columns, space.words.data());
        const auto remainders = row(context, columns, space.words.data() + columns);
        context.for_each(columns,
                         detail::split_copies<Context>{.cumulative = row(context, columns, cumulative),
                                                       .shift = 0,
                                                       .copies = copies,
                                                       .remainders = remainders});
        context.for_each(1, detail::round_pairs<Context>{.stream = stream,
                                                         .cumulative = row(context, columns, cumulative),
                                                         .remainders = remainders,
                                                         .copies = copies});
        context.scan_sum(copies.data(), columns, copies.data());
        // All N are copies now, and none is left to the remainders.
        context.for_each(
            columns, detail::count_residual_offspring<Context>{.copies = copies,
                                                               .remainders = remainders,
                                                               .offset = {0},
                                                               .through = row(context, columns, ancestors)});
        detail::name_ancestors(context, columns, space, ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
        space.words.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "ssp"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

} // namespace diamond
