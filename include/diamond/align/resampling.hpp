/// Resamplers: from cumulative weights to ancestors. Section 10.
#pragma once

#include <cstdint>

#include <diamond/align/fixed_point.hpp>
#include <diamond/concepts/resampler.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

namespace detail {

/// u in [0, 1) as an integer over 2^53.
DIAMOND_HD inline std::uint64_t to_53_bits(double u) { return static_cast<std::uint64_t>(u * 0x1p53); }

/// draws x / total = quotient + remainder / total in exact arithmetic, for 0 <= x <= total < 2^63 and draws < 2^31. A division of 128 bits
/// would cost more than all else in a resampler. So the quotient is guessed in double, which errs by less than 1, and put right.
struct share_of_draws {
    std::int64_t quotient, remainder;

    DIAMOND_HD share_of_draws(std::uint64_t x, std::uint64_t total, std::uint64_t draws) {
        const auto whole = static_cast<std::int64_t>(total);
        quotient         = static_cast<std::int64_t>(static_cast<double>(static_cast<std::int64_t>(x)) * (static_cast<double>(draws) / static_cast<double>(whole)));
        remainder        = static_cast<std::int64_t>(x * draws - static_cast<std::uint64_t>(quotient) * total); // fits where the products do not
        const bool low = remainder < 0, high = remainder >= whole;
        quotient += (high ? 1 : 0) - (low ? 1 : 0);
        remainder += (low ? whole : 0) - (high ? whole : 0);
    }
};

/// Offsets u_k of draws in their strata, as the greatest integer below or at u_k total.
struct same_offset {
    std::uint64_t bits; ///< of u
    DIAMOND_HD std::int64_t operator()(std::int64_t, std::uint64_t total) const { return static_cast<std::int64_t>(double_word{bits} * total >> 53); }
};
struct offset_per_stratum {
    noise_stream stream;
    DIAMOND_HD std::int64_t operator()(std::int64_t k, std::uint64_t total) const { return same_offset{to_53_bits(stream.uniform(k))}(k, total); }
};

/// How many k < draws have (k + u_k)/draws . total < cumulative, in exact arithmetic. total > 0.
template <class Offset>
DIAMOND_HD std::int64_t draws_below(std::uint64_t cumulative, std::uint64_t total, std::uint64_t draws, const Offset& offset) {
    const share_of_draws share(cumulative, total, draws);
    const std::int64_t   below = share.quotient + (offset(share.quotient, total) < share.remainder ? 1 : 0);
    const auto           most  = static_cast<std::int64_t>(draws);
    return below < most ? below : most;
}

/// through[i] = offspring of particles 0 ... i.
template <class Offset>
struct count_offspring {
    const std::uint64_t* cumulative;
    index_t              columns;
    Offset               offset;
    std::int32_t*        through;
    DIAMOND_HD void operator()(index_t i) const {
        through[i] = static_cast<std::int32_t>(draws_below(cumulative[i], cumulative[columns - 1], static_cast<std::uint64_t>(columns), offset));
    }
};
struct clear_first {
    std::int32_t* first;
    DIAMOND_HD void operator()(index_t k) const { first[k] = 0; }
};
/// Marks the first offspring of every particle that has one; a running maximum then names every ancestor. A particle that has none marks a
/// place of its own behind the others: that costs less than a branch.
struct mark_first_offspring {
    const std::int32_t* through;
    index_t             columns;
    std::int32_t*       first;
    DIAMOND_HD void operator()(index_t i) const {
        const index_t begin = i == 0 ? 0 : through[i - 1], places[] = {columns + i, begin};
        first[places[begin < through[i] ? 1 : 0]] = static_cast<std::int32_t>(i);
    }
};
/// From `ancestors` = offspring of particles 0 ... i to the ancestor of each draw.
template <class Context>
void name_ancestors(const Context& context, index_t columns, resampling_scratch<Context>& space, std::int32_t* ancestors) {
    space.first.resize(context, 2, columns);
    context.for_each(columns, clear_first{space.first.data()});
    context.for_each(columns, mark_first_offspring{ancestors, columns, space.first.data()});
    context.scan_max(space.first.data(), columns, ancestors);
}
template <class Context, class Offset>
void stratify(const Context& context, const std::uint64_t* cumulative, index_t columns, const Offset& offset, resampling_scratch<Context>& space,
              std::int32_t* ancestors) {
    context.for_each(columns, count_offspring<Offset>{cumulative, columns, offset, ancestors});
    name_ancestors(context, columns, space, ancestors);
}

/// The smallest i with cumulative[i] > u total. `guide` has the answers for u = k/N, between which it must lie (Chen and Asau 1974): a search
/// of all weights would miss the cache at every turn.
struct find_ancestor {
    const std::uint64_t* cumulative;
    const std::int32_t*  guide;
    index_t              columns;
    noise_stream         stream;
    std::int32_t*        ancestors;
    DIAMOND_HD void operator()(index_t k) const {
        const philox_block  words   = stream.words(k, 0);
        const std::uint64_t u       = std::uint64_t{words.word[1]} << 32 | words.word[0];
        const auto          target  = static_cast<std::uint64_t>(double_word{u} * cumulative[columns - 1] >> 64);
        const auto          stratum = static_cast<index_t>(double_word{u} * static_cast<std::uint64_t>(columns) >> 64);
        index_t             low = guide[stratum], high = stratum + 1 < columns ? guide[stratum + 1] : columns - 1;
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
struct split_copies {
    const std::uint64_t* cumulative;
    index_t              columns;
    int                  shift; // remainders lose these bits, so that their sum cannot overflow
    std::uint64_t *      copies, *remainders;
    DIAMOND_HD void operator()(index_t i) const {
        const std::uint64_t  weight = cumulative[i] - (i == 0 ? 0 : cumulative[i - 1]);
        const share_of_draws share(weight, cumulative[columns - 1], static_cast<std::uint64_t>(columns));
        copies[i]     = static_cast<std::uint64_t>(share.quotient);
        remainders[i] = static_cast<std::uint64_t>(share.remainder) >> shift;
    }
};
/// through[i] = offspring of particles 0 ... i: their copies, and the draws that are left to the remainders.
struct count_residual_offspring {
    const std::uint64_t *copies, *remainders; // inclusive sums of both
    index_t              columns;
    same_offset          offset;
    std::int32_t*        through;
    DIAMOND_HD void operator()(index_t i) const {
        const std::uint64_t left = static_cast<std::uint64_t>(columns) - copies[columns - 1], total = remainders[columns - 1];
        const auto          drawn = left == 0 || total == 0 ? 0 : draws_below(remainders[i], total, left, offset);
        through[i]                = static_cast<std::int32_t>(static_cast<std::int64_t>(copies[i]) + drawn);
    }
};

} // namespace detail

/// Independent draws in proportion to the weights: the largest variance, and the one whose error is best understood.
struct multinomial {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        space.guide.resize(context, 1, columns);
        detail::stratify(context, cumulative, columns, detail::same_offset{0}, space, space.guide.data());
        context.for_each(columns, detail::find_ancestor{cumulative, space.guide.data(), columns, stream, ancestors});
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
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        detail::stratify(context, cumulative, columns, detail::offset_per_stratum{stream}, space, ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "stratified"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// One uniform for all: index k is the smallest i whose cumulative weight exceeds (u + k)/N.
struct systematic {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        with_offset(context, cumulative, columns, stream.uniform(0), space, ancestors);
    }
    /// The same for a given u in [0, 1).
    template <class Context>
    void with_offset(const Context& context, const std::uint64_t* cumulative, index_t columns, double u, resampling_scratch<Context>& space,
                     std::int32_t* ancestors) const {
        detail::stratify(context, cumulative, columns, detail::same_offset{detail::to_53_bits(u)}, space, ancestors);
    }
    template <class Context>
    void prepare(const Context& context, index_t columns, resampling_scratch<Context>& space) const {
        space.first.resize(context, 2, columns);
    }
    [[nodiscard]] const char* name() const { return "systematic"; }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// floor(N w) copies of each, the rest by systematic resampling of the remainders. Whole copies do not move the offset, so to rounding these
/// are the ancestors of systematic resampling.
struct residual {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        space.words.resize(context, 2, columns);
        std::uint64_t *copies = space.words.data(), *remainders = copies + columns;
        const int      shift = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(columns)));
        context.for_each(columns, detail::split_copies{cumulative, columns, shift, copies, remainders});
        context.scan_sum(copies, columns, copies);
        context.scan_sum(remainders, columns, remainders);
        const detail::same_offset offset{detail::to_53_bits(stream.uniform(0))};
        context.for_each(columns, detail::count_residual_offspring{copies, remainders, columns, offset, ancestors});
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

} // namespace diamond
