/// This file has the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random
/// numbers: as easy as 1, 2, 3; SC 2011), and the addresses of draws.
///
/// Nothing here has state. A draw is a function of seed, purpose, step, value sample, particle slot and
/// coordinate, so that a call gives the same numbers on any thread, back end and batch size.
#pragma once

#include <cstdint>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// Holds four 32-bit words, which are a Philox counter or its image.
struct philox_block {
    std::uint32_t word[4]; ///< 128 bits of a counter, or 128 random bits of its image.

    /// Says whether all four words agree.
    friend DIAMOND_HD constexpr bool operator==(const philox_block& a, const philox_block& b) {
        return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] &&
               a.word[3] == b.word[3];
    }
};

namespace detail {
/// Holds the constants of the paper; the Weyl sequences of the keys step by the golden ratio and by sqrt(3) -
/// 1.
struct philox_constants {
    static constexpr std::uint32_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u,
                                   weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;
    static constexpr int rounds = 10;
};
} // namespace detail

/// Maps a counter by the Philox4x32-10 bijection under a 64-bit key. The name has its rounds, since without
/// them it is a macro of Random123.
DIAMOND_HD constexpr philox_block philox4x32_10(philox_block counter, std::uint64_t key) {
    using constants = detail::philox_constants;
    auto key_0 = static_cast<std::uint32_t>(key), key_1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < constants::rounds; ++round) {
        const std::uint64_t product_0 = std::uint64_t{constants::multiplier_0} * counter.word[0];
        const std::uint64_t product_1 = std::uint64_t{constants::multiplier_1} * counter.word[2];
        counter = {{static_cast<std::uint32_t>(product_1 >> 32) ^ counter.word[1] ^ key_0,
                    static_cast<std::uint32_t>(product_1),
                    static_cast<std::uint32_t>(product_0 >> 32) ^ counter.word[3] ^ key_1,
                    static_cast<std::uint32_t>(product_0)}};
        key_0 += constants::weyl_0;
        key_1 += constants::weyl_1;
    }
    return counter;
}

/// Names what a draw is for, a number below 128. Draws of different purposes are independent; the numbers are
/// part of the reproducible stream, and those from 128 on are the discrete choices of draws of the purpose
/// less 128.
enum class purpose : std::uint8_t {
    initial = 0,         ///< x_0
    transition = 1,      ///< xbar_0 of a transition
    transition_end = 2,  ///< the further noise eps' of a transition
    value = 3,           ///< draws of a value estimator
    value_component = 4, ///< discrete choices of a posterior draw inside a value estimator
    component = 5,       ///< discrete choices of a posterior draw inside a transition
    resampling = 6,      ///< ancestors
    split = 7,           ///< derives the seed of an independent run
    data = 8,            ///< draws from a data distribution
    user = 9,            ///< free for programs
    guide = 10,          ///< draws of the value that guides a transition
    guided_noise = 11,   ///< the noise of a transition that a guide chooses, or that is kept for moves
};

/// Holds the address of a batch of draws: column j of the batch is value sample j % samples of particle slot
/// j / samples.
struct noise_stream {
    /// The counter has 24 bits for the value sample.
    static constexpr index_t most_samples = index_t{1} << 24;

    /// The key of the generator: streams of other seeds are independent.
    std::uint64_t seed = 0;
    /// What the numbers are for: streams of other purposes are independent.
    diamond::purpose purpose = diamond::purpose::user;
    std::uint32_t step = 0;  ///< the step k of the run, part of the counter
    index_t samples = 1;     ///< M, the value samples of each particle, at least 1
    bool antithetic = false; ///< odd value samples are minus the even ones before them (random/draw.hpp)
    /// In each coordinate the M value samples of a particle lie in M strata of equal probability, one in each
    /// (random/latin_hypercube.hpp); not beside antithetic.
    bool latin_hypercube = false;
    /// The keys of groups of slots, in the memory of the back end that draws and not owned; null where `seed`
    /// is the key of all. Slot j then draws what slot j % group_slots of key seeds[j / group_slots] draws.
    const std::uint64_t* seeds = nullptr;
    index_t group_slots = 0; ///< the slots of a group, at least 1 where there are groups

    /// Returns this stream with another purpose.
    [[nodiscard]] DIAMOND_HD constexpr noise_stream with(diamond::purpose other) const {
        noise_stream result = *this;
        result.purpose = other;
        return result;
    }
    /// Returns the stream for the discrete choices of posterior draws whose normals come from this stream, as
    /// of a mixture's component: one of its own for each purpose, so that draws of other purposes choose
    /// anew.
    [[nodiscard]] DIAMOND_HD constexpr noise_stream choices() const {
        if (purpose == diamond::purpose::value) return with(diamond::purpose::value_component);
        if (purpose == diamond::purpose::transition) return with(diamond::purpose::component);
        constexpr unsigned of_choices = 0x80; // beyond all purposes that have a name
        return with(static_cast<diamond::purpose>(of_choices | static_cast<unsigned>(purpose)));
    }
    /// Returns this stream with M samples a particle, 1 <= M <= most_samples.
    [[nodiscard]] DIAMOND_HD constexpr noise_stream with_samples(index_t count) const {
        noise_stream result = *this;
        result.samples = count;
        return result;
    }

    /// Returns the number of columns of a group; 0 where there are none.
    [[nodiscard]] DIAMOND_HD constexpr index_t group_columns() const {
        return seeds ? group_slots * samples : 0;
    }
    /// Returns the stream that a group draws from, whose columns begin at 0: that of the group's own key. On
    /// a device only device code may ask.
    [[nodiscard]] DIAMOND_HD constexpr noise_stream of_group(index_t group) const {
        noise_stream result = *this;
        result.seed = seeds[group];
        result.seeds = nullptr;
        return result;
    }

    /// Returns the four random words of block `block` of column `column`.
    [[nodiscard]] DIAMOND_HD constexpr philox_block words(index_t column, index_t block) const {
        if (!seeds) return philox4x32_10(counter(column, block), seed);
        const index_t group = column / group_columns();
        return philox4x32_10(counter(column - group * group_columns(), block), seeds[group]);
    }
    /// Returns the counter {coordinate block, particle slot, step, purpose and value sample} of a block,
    /// whose column is counted from the first one of its group.
    [[nodiscard]] DIAMOND_HD constexpr philox_block counter(index_t column, index_t block) const {
        const index_t slot = samples == 1 ? column : column / samples;
        return {{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(slot), step,
                 static_cast<std::uint32_t>(purpose) << 24 |
                     static_cast<std::uint32_t>(column - slot * samples)}};
    }
    /// Returns a uniform number in (0, 1) for a column, an odd multiple of 2^-53.
    [[nodiscard]] DIAMOND_HD constexpr double uniform(index_t column, index_t block = 0) const {
        const philox_block image = words(column, block);
        return uniform_53(image.word[0], image.word[1]);
    }
    /// Returns the uniform number of 52 random bits and the half that centres it in its cell, so that neither
    /// 0 nor 1 is drawn; 53 random bits and a half could round to 1.
    [[nodiscard]] DIAMOND_HD static constexpr double uniform_53(std::uint32_t low, std::uint32_t high) {
        const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 12;
        return (static_cast<double>(bits) + 0.5) * 0x1p-52;
    }
};

/// Holds the seed of a run. It is a value and is never advanced: a call that is repeated with the same rng
/// gives the same result.
struct philox {
    std::uint64_t seed; ///< runs of other seeds are independent

    /// Returns the rng of the k-th of independent runs.
    [[nodiscard]] constexpr philox split(std::uint64_t k) const {
        const philox_block image = philox4x32_10(
            {{static_cast<std::uint32_t>(k), static_cast<std::uint32_t>(k >> 32), 0,
              static_cast<std::uint32_t>(purpose::split) << 24}},
            seed);
        return {std::uint64_t{image.word[1]} << 32 | image.word[0]};
    }
    /// Returns the stream of draws of a purpose at a step, with M = samples value samples a particle.
    [[nodiscard]] constexpr noise_stream stream(diamond::purpose purpose, index_t step = 0,
                                                index_t samples = 1) const {
        return {seed, purpose, static_cast<std::uint32_t>(step), samples};
    }
};

/// The generators of groups of slots that stand side by side, as of many runs in one batch: each group draws
/// the numbers that its own generator gives alone.
struct grouped_philox {
    /// A seed for each group, in the memory of the back end that draws, which are not owned.
    const std::uint64_t* seeds;
    index_t slots; ///< the slots of a group, at least 1
    /// The `seed` of its streams, for what makes numbers of a seed alone, and so cannot tell groups apart.
    std::uint64_t seed;

    /// Returns the stream of draws of a purpose at a step, with M = samples value samples a particle.
    [[nodiscard]] constexpr noise_stream stream(diamond::purpose purpose, index_t step = 0,
                                                index_t samples = 1) const {
        noise_stream result = philox{seed}.stream(purpose, step, samples);
        result.seeds = seeds;
        result.group_slots = slots;
        return result;
    }
};

} // namespace diamond
