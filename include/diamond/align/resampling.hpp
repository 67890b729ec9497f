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

struct same_offset {
    std::uint64_t u;
    DIAMOND_HD std::uint64_t operator()(index_t) const { return u; }
};
struct offset_per_stratum {
    noise_stream stream;
    DIAMOND_HD std::uint64_t operator()(index_t k) const { return to_53_bits(stream.uniform(k)); }
};

/// How many k < draws have (k + u_k)/draws . total < cumulative, in exact arithmetic.
template <class Offset>
DIAMOND_HD index_t draws_below(std::uint64_t cumulative, std::uint64_t total, std::uint64_t draws, const Offset& offset) {
    if (total == 0) return 0;
    const wide          scaled    = wide{cumulative} * draws;
    const auto          whole     = static_cast<std::uint64_t>(scaled / total);
    const std::uint64_t remainder = static_cast<std::uint64_t>(scaled % total);
    if (whole >= draws) return static_cast<index_t>(draws);
    return static_cast<index_t>(whole) + (wide{offset(static_cast<index_t>(whole))} * total < (wide{remainder} << 53) ? 1 : 0);
}

struct clear_first {
    std::int32_t* first;
    DIAMOND_HD void operator()(index_t k) const { first[k] = 0; }
};
/// Marks the first offspring of every particle that has one; a running maximum then names every ancestor.
template <class Offset>
struct mark_first_offspring {
    const std::uint64_t* cumulative;
    index_t              columns;
    Offset               offset;
    std::int32_t*        first;
    DIAMOND_HD void operator()(index_t i) const {
        const std::uint64_t total = cumulative[columns - 1];
        const auto          n     = static_cast<std::uint64_t>(columns);
        const index_t       begin = i == 0 ? 0 : draws_below(cumulative[i - 1], total, n, offset);
        if (begin < draws_below(cumulative[i], total, n, offset)) first[begin] = static_cast<std::int32_t>(i);
    }
};
template <class Context, class Offset>
void stratify(const Context& context, const std::uint64_t* cumulative, index_t columns, const Offset& offset, resampling_scratch<Context>& space,
              std::int32_t* ancestors) {
    space.first.resize(context, 1, columns);
    context.for_each(columns, clear_first{space.first.data()});
    context.for_each(columns, mark_first_offspring<Offset>{cumulative, columns, offset, space.first.data()});
    context.scan_max(space.first.data(), columns, ancestors);
}

struct find_ancestor {
    const std::uint64_t* cumulative;
    index_t              columns;
    noise_stream         stream;
    std::int32_t*        ancestors;
    DIAMOND_HD void operator()(index_t k) const {
        const philox_block  words  = stream.words(k, 0);
        const std::uint64_t u      = std::uint64_t{words.word[1]} << 32 | words.word[0];
        const auto          target = static_cast<std::uint64_t>(wide{u} * cumulative[columns - 1] >> 64);
        index_t             low = 0, high = columns - 1; // the smallest i with cumulative[i] > target
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
        const std::uint64_t total  = cumulative[columns - 1];
        const std::uint64_t weight = cumulative[i] - (i == 0 ? 0 : cumulative[i - 1]);
        const wide          scaled = wide{weight} * static_cast<std::uint64_t>(columns);
        copies[i]                  = static_cast<std::uint64_t>(scaled / total);
        remainders[i]              = static_cast<std::uint64_t>(scaled % total) >> shift;
    }
};
struct mark_residual_offspring {
    const std::uint64_t *copies, *remainders; // inclusive sums of both
    index_t              columns;
    same_offset          offset;
    std::int32_t*        first;
    DIAMOND_HD std::uint64_t offspring_through(index_t i) const {
        const std::uint64_t left = static_cast<std::uint64_t>(columns) - copies[columns - 1];
        return copies[i] + (left == 0 ? 0 : static_cast<std::uint64_t>(draws_below(remainders[i], remainders[columns - 1], left, offset)));
    }
    DIAMOND_HD void operator()(index_t i) const {
        const std::uint64_t begin = i == 0 ? 0 : offspring_through(i - 1);
        if (begin < offspring_through(i)) first[begin] = static_cast<std::int32_t>(i);
    }
};

} // namespace detail

/// Independent draws in proportion to the weights: the largest variance, and the one whose error is best understood.
struct multinomial {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>&,
                    std::int32_t* ancestors) const {
        context.for_each(columns, detail::find_ancestor{cumulative, columns, stream, ancestors});
    }
    [[nodiscard]] log_z_error method() const { return log_z_error::lee_whiteley; }
};

/// One draw in each of N equal strata.
struct stratified {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        detail::stratify(context, cumulative, columns, detail::offset_per_stratum{stream}, space, ancestors);
    }
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
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

/// floor(N w) copies of each, the rest by systematic resampling of the remainders.
struct residual {
    template <class Context>
    void operator()(const Context& context, const std::uint64_t* cumulative, index_t columns, noise_stream stream, resampling_scratch<Context>& space,
                    std::int32_t* ancestors) const {
        space.words.resize(context, 2, columns);
        space.first.resize(context, 1, columns);
        std::uint64_t *copies = space.words.data(), *remainders = copies + columns;
        const int      shift = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(columns)));
        context.for_each(columns, detail::split_copies{cumulative, columns, shift, copies, remainders});
        context.scan_sum(copies, columns, copies);
        context.scan_sum(remainders, columns, remainders);
        context.for_each(columns, detail::clear_first{space.first.data()});
        context.for_each(columns, detail::mark_residual_offspring{copies, remainders, columns, detail::same_offset{detail::to_53_bits(stream.uniform(0))},
                                                                  space.first.data()});
        context.scan_max(space.first.data(), columns, ancestors);
    }
    [[nodiscard]] log_z_error method() const { return log_z_error::family_weights; }
};

} // namespace diamond
