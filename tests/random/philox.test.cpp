/// Philox4x32-10 against its published vectors and against Random123, and how draws are addressed.
#include <array>
#include <random>
#include <set>

#include <Random123/philox.h>
#include <doctest/doctest.h>

#include <diamond/random/philox.hpp>

namespace random_philox_test {

using diamond::index_t, diamond::noise_stream, diamond::philox, diamond::philox4x32_10, diamond::philox_block,
    diamond::purpose;

// The known answers for philox4x32 with 10 rounds in Random123's kat_vectors: counter, key, image.
static_assert(philox4x32_10({{0, 0, 0, 0}}, 0) ==
              philox_block{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
static_assert(philox4x32_10({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffffffffffff) ==
              philox_block{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
static_assert(philox4x32_10({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822) ==
              philox_block{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});

TEST_CASE("Philox4x32-10 is that of Random123") {
    std::mt19937_64 generator(1);
    const auto word = [&] { return static_cast<std::uint32_t>(generator()); };
    for (int again = 0; again < 100'000; ++again) {
        const philox_block counter{{word(), word(), word(), word()}};
        const std::uint64_t key = generator();
        const r123::Philox4x32::ctr_type peer_counter = {
            {counter.word[0], counter.word[1], counter.word[2], counter.word[3]}};
        const r123::Philox4x32::key_type peer_key = {
            {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}};
        const auto peer = r123::Philox4x32()(peer_counter, peer_key);
        REQUIRE(philox4x32_10(counter, key) == philox_block{{peer[0], peer[1], peer[2], peer[3]}});
    }
}

TEST_CASE("a draw is addressed by block, slot, step, purpose and value sample") {
    constexpr noise_stream stream = philox{0xabcdef0123456789}.stream(purpose::value, 7, 5);
    static_assert(stream.counter(13, 3) == philox_block{{3, 2, 7, 3u << 24 | 3u}});
    static_assert(stream.words(13, 3) == philox4x32_10({{3, 2, 7, 3u << 24 | 3u}}, 0xabcdef0123456789));
    static_assert(stream.with(purpose::initial).counter(13, 3) == philox_block{{3, 2, 7, 3u}});
    static_assert(stream.with_samples(1).counter(13, 3) == philox_block{{3, 13, 7, 3u << 24}});
    static_assert(philox{3}.stream(purpose::initial).counter(4, 0) == philox_block{{0, 4, 0, 0}});
    CHECK(stream.with(purpose::initial).seed == stream.seed);
}

TEST_CASE("no two addresses share a counter") {
    std::set<std::array<std::uint32_t, 4>> seen;
    std::size_t count = 0;
    for (std::uint8_t p = 0; p <= static_cast<std::uint8_t>(purpose::user); ++p)
        for (const index_t step : {0, 1, 2, 255, 1 << 24})
            for (const index_t samples : {index_t{4}, noise_stream::most_samples})
                for (const index_t slot : {0, 1, 2, 4095})
                    for (const index_t sample : {index_t{0}, index_t{1}, samples - 1})
                        for (const index_t block : {0, 1, 1000}) {
                            const auto stream = philox{1}.stream(static_cast<purpose>(p), step, samples);
                            const auto counter = stream.counter(slot * samples + sample, block);
                            // The number of samples is not part of the address: sample 0 is the same draw
                            // whatever M is.
                            if (samples == noise_stream::most_samples && sample < 4) continue;
                            seen.insert({counter.word[0], counter.word[1], counter.word[2], counter.word[3]});
                            ++count;
                        }
    CHECK(seen.size() == count);
}

TEST_CASE("splits are distinct, also from their parent, and split again") {
    std::set<std::uint64_t> seen{42};
    for (std::uint64_t k = 0; k < 100'000; ++k) seen.insert(philox{42}.split(k).seed);
    for (std::uint64_t k = 0; k < 1'000; ++k) seen.insert(philox{42}.split(1).split(k).seed);
    for (std::uint64_t k = 1; k < 1'000; ++k) seen.insert(philox{42}.split(k << 32).seed);
    CHECK(seen.size() == 1 + 100'000 + 1'000 + 999);
    // a value: asking again changes nothing
    static_assert(philox{42}.split(3).seed == philox{42}.split(3).seed);
}

TEST_CASE("uniforms lie inside (0, 1) and are even") {
    static_assert(noise_stream::uniform_53(0, 0) == 0x1p-53);
    static_assert(noise_stream::uniform_53(0xffffffff, 0xffffffff) == 1.0 - 0x1p-53);
    const noise_stream stream = philox{3}.stream(purpose::resampling);
    constexpr index_t draws = 1'000'000, cells = 64;
    double sum = 0.0;
    std::array<double, cells> count{};
    for (index_t j = 0; j < draws; ++j) {
        const double u = stream.uniform(j);
        REQUIRE((u > 0.0 && u < 1.0));
        sum += u;
        count[static_cast<std::size_t>(u * cells)] += 1.0;
    }
    // The mean's standard error is 1/sqrt(12 n); chi^2 over 63 degrees of freedom stays below 140 but for
    // 1e-7 of all seeds.
    CHECK(std::abs(sum / draws - 0.5) < 4.5 / std::sqrt(12.0 * draws));
    double chi_squared = 0.0;
    for (const double c : count)
        chi_squared += diamond::square(c - double{draws} / cells) / (double{draws} / cells);
    CHECK(chi_squared < 140.0);
    CHECK(stream.uniform(5, 0) != stream.uniform(5, 1));
}

} // namespace random_philox_test
