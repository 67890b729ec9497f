/// The five resamplers: their definition, their expectation, and that all back ends choose the same
/// ancestors.
#include <numeric>

#include <diamond/align/resampling.hpp>

#include <support/back_ends.hpp>
#include <support/statistics.hpp>

namespace align_resampling_test {

using diamond::index_t, diamond::infinity, diamond::multinomial, diamond::philox, diamond::purpose,
    diamond::residual, diamond::ssp, diamond::stratified, diamond::systematic;

namespace {

__extension__ using wide = unsigned __int128;
using indices = std::vector<std::int32_t>;

double uniform(index_t j, std::uint64_t seed) { return philox{seed}.stream(purpose::user).uniform(j); }

/// Log weights of N particles, from even to hopeless.
struct weight_case {
    const char* name;
    std::vector<double> log_weights;
};
std::vector<weight_case> weight_cases(index_t n) {
    const auto size = static_cast<std::size_t>(n);
    std::vector<weight_case> cases{{"equal", std::vector<double>(size, -3.7)}};
    for (const double spread : {1.0, 10.0, 300.0}) {
        std::vector<double> w(size);
        for (index_t j = 0; j < n; ++j)
            w[static_cast<std::size_t>(j)] = spread * (uniform(j, 5) - 0.4) * (1.0 + uniform(j, 6));
        cases.push_back({spread == 1.0 ? "spread 1" : spread == 10.0 ? "spread 10" : "spread 300", w});
    }
    auto holes = cases[1].log_weights; // zeros in front, at the end and inside, but not everywhere
    for (std::size_t j = 0; j < size; ++j)
        if (size > 1 && (j < size / 5 || j % 3 == 0 || j > size - size / 4 - 1)) holes[j] = -infinity;
    holes[size / 2] = 0.5;
    cases.push_back({"zeros", holes});
    for (const std::size_t heavy : {std::size_t{0}, size / 2, size - 1}) {
        auto one = std::vector<double>(size, -30.0);
        one[heavy] = 0.0;
        cases.push_back({"one heavy", one});
        for (std::size_t j = 0; j < size; ++j)
            if (j != heavy) one[j] = -infinity;
        cases.push_back({"one alive", one});
    }
    return cases;
}

std::vector<std::uint64_t> cumulative_of(const std::vector<double>& log_weights) {
    const auto n = static_cast<index_t>(log_weights.size());
    const auto context = back_ends::eigen<double>::make(1);
    const auto device = diamond::from_host(context, 1, n, log_weights);
    auto sums = diamond::owning_batch<std::uint64_t, diamond::eigen::context>(context, 1, n);
    diamond::resampling_scratch<diamond::eigen::context> space;
    diamond::cumulative_weights(context, device.data(), n, space, sums.data());
    return diamond::to_host(sums);
}

/// Ancestors on a context, as `call(context, cumulative, n, scratch, out)` gives them.
template <class Context, class Call>
indices ancestors_on(const Context& context, const std::vector<std::uint64_t>& cumulative, const Call& call) {
    const auto n = static_cast<index_t>(cumulative.size());
    const auto device = diamond::from_host(context, 1, n, cumulative);
    auto out = diamond::owning_batch<std::int32_t, Context>(context, 1, n);
    diamond::resampling_scratch<Context> space;
    call(context, device.data(), n, space, out.data());
    return diamond::to_host(out);
}
template <class Context, class Resampler>
indices ancestors_of(const Context& context, const Resampler& resampler,
                     const std::vector<std::uint64_t>& cumulative, std::uint64_t seed) {
    return ancestors_on(
        context, cumulative,
        [&](const auto& where, const std::uint64_t* sums, index_t n, auto& space, std::int32_t* out) {
            resampler(where, sums, n, philox{seed}.stream(purpose::resampling, 3), space, out);
        });
}
template <class Context>
indices systematic_at(const Context& context, const std::vector<std::uint64_t>& cumulative, double u) {
    return ancestors_on(context, cumulative,
                        [&](const auto& where, const std::uint64_t* sums, index_t n, auto& space,
                            std::int32_t* out) { systematic{}.with_offset(where, sums, n, u, space, out); });
}

/// The smallest i with cumulative[i]/total > (u_k + k)/N, in exact arithmetic: u_k = bits[k] / 2^53.
template <class Bits>
indices by_definition(const std::vector<std::uint64_t>& cumulative, const Bits& bits) {
    const auto n = cumulative.size();
    const std::uint64_t total = cumulative.back();
    indices result;
    std::size_t i = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const auto exceeds = [&](std::uint64_t c) {
            const wide left = wide{c} * n, whole = wide{k} * total; // c n > k total + u total
            if (left <= whole) return false;
            return left - whole >= total || (left - whole) << 53 > wide{bits(k)} * total;
        };
        while (i + 1 < n && !exceeds(cumulative[i])) ++i;
        result.push_back(static_cast<std::int32_t>(i));
    }
    return result;
}

[[maybe_unused]] std::vector<index_t> offspring(const indices& ancestors) {
    std::vector<index_t> count(ancestors.size());
    for (const auto i : ancestors) ++count[static_cast<std::size_t>(i)];
    return count;
}
[[maybe_unused]] long double share(const std::vector<std::uint64_t>& cumulative, std::size_t i) {
    return static_cast<long double>(cumulative[i] - (i == 0 ? 0 : cumulative[i - 1])) /
           static_cast<long double>(cumulative.back());
}

template <class F>
void for_all_resamplers(const F& f) {
    f("multinomial", multinomial{});
    f("stratified", stratified{});
    f("systematic", systematic{});
    f("residual", residual{});
    f("ssp", ssp{});
}

} // namespace

TEST_CASE_TEMPLATE("systematic resampling is its definition, to the last bit", back, DOUBLE_BACK_ENDS) {
    const auto context = back::make(2);
    for (const index_t n : {1, 2, 3, 7, 64, 1000, 4096, 4097}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            const auto cumulative = cumulative_of(log_weights);
            for (const double u :
                 {0.0, 0x1p-53, 0x1p-30, 0.25, 0.5, uniform(n, 11), 1.0 - 0x1p-30, 1.0 - 0x1p-53}) {
                CAPTURE(name);
                CAPTURE(n);
                CAPTURE(u);
                const auto bits = static_cast<std::uint64_t>(u * 0x1p53);
                CHECK(systematic_at(context, cumulative, u) ==
                      by_definition(cumulative, [=](std::size_t) { return bits; }));
            }
        }
    }
}

#if defined(DIAMOND_TEST_EMULATED_CUDA)
constexpr index_t many = 100'000; // threads of blocks, emulated, are slow
#else
constexpr index_t many = 1'000'000;
#endif
TEST_CASE_TEMPLATE("systematic resampling of many particles is its definition", back, DOUBLE_BACK_ENDS) {
    const auto context = back::make(2);
    for (const auto& [name, log_weights] : weight_cases(many)) {
        const std::string case_name = name;
        if (case_name != "spread 10" && case_name != "zeros") continue;
        CAPTURE(name);
        const auto cumulative = cumulative_of(log_weights);
        for (const double u : {0.0, uniform(1, 12), 1.0 - 0x1p-53}) {
            const auto bits = static_cast<std::uint64_t>(u * 0x1p53);
            CHECK(systematic_at(context, cumulative, u) ==
                  by_definition(cumulative, [=](std::size_t) { return bits; }));
        }
    }
}

TEST_CASE("fixed point moves no ancestor that long double would not move, too") {
    // The weights in long double, which know nothing of fixed point. Where the two disagree, a boundary lies
    // within the rounding of cumulative weights: N halves of the unit, of which the heaviest weight has
    // fixed_point_scale.
    const auto context = back_ends::eigen<double>::make(1);
    for (const index_t n : {3, 1000, 100'000}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            CAPTURE(name);
            CAPTURE(n);
            const double high = *std::max_element(log_weights.begin(), log_weights.end());
            std::vector<long double> sums;
            long double total = 0.0L;
            for (const double w : log_weights)
                sums.push_back(total += std::exp(static_cast<long double>(w - high)));
            const long double rounding = 0.51L * static_cast<long double>(n) /
                                             static_cast<long double>(diamond::fixed_point_scale(n)) / total +
                                         1e-16L;
            const double u = uniform(n, 13);
            const auto chosen = systematic_at(context, cumulative_of(log_weights), u);
            for (std::size_t k = 0; k < chosen.size(); ++k) {
                const long double target = (static_cast<long double>(u) + static_cast<long double>(k)) /
                                           static_cast<long double>(n);
                const auto i = static_cast<std::size_t>(chosen[k]);
                REQUIRE(sums[i] / total > target - rounding);
                REQUIRE((i == 0 || sums[i - 1] / total <= target + rounding));
            }
        }
    }
}

TEST_CASE("stratified resampling draws one offset a stratum; multinomial one target a draw") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto stream = philox{21}.stream(purpose::resampling, 3);
    for (const index_t n : {1, 5, 1000, 4096}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            CAPTURE(name);
            CAPTURE(n);
            const auto cumulative = cumulative_of(log_weights);
            CHECK(ancestors_of(context, stratified{}, cumulative, 21) ==
                  by_definition(cumulative, [&](std::size_t k) {
                      return static_cast<std::uint64_t>(stream.uniform(static_cast<index_t>(k)) * 0x1p53);
                  }));
            indices expected;
            for (index_t k = 0; k < n; ++k) {
                const auto words = stream.words(k, 0);
                const std::uint64_t u = std::uint64_t{words.word[1]} << 32 | words.word[0],
                                    target = static_cast<std::uint64_t>(wide{u} * cumulative.back() >> 64);
                expected.push_back(static_cast<std::int32_t>(
                    std::find_if(cumulative.begin(), cumulative.end(), [=](auto c) { return c > target; }) -
                    cumulative.begin()));
            }
            CHECK(ancestors_of(context, multinomial{}, cumulative, 21) == expected);
        }
    }
}

TEST_CASE_TEMPLATE("ancestors are the same on every back end and number of threads", back, DOUBLE_BACK_ENDS) {
    const auto one = back_ends::eigen<double>::make(1);
    const auto peer = back::make(2);
    for (const index_t n : {1, 100, 10'007, 50'000}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            const auto cumulative = cumulative_of(log_weights);
            for_all_resamplers([&](const char* resampler, const auto& r) {
                CAPTURE(name);
                CAPTURE(resampler);
                CAPTURE(n);
                CHECK(ancestors_of(peer, r, cumulative, 31) == ancestors_of(one, r, cumulative, 31));
            });
        }
    }
}

TEST_CASE_TEMPLATE("the dead have no offspring, and nobody is lost or invented", back, DOUBLE_BACK_ENDS) {
    const auto context = back::make(2);
    for (const index_t n : {1, 2, 63, 64, 65, 3000}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            const auto cumulative = cumulative_of(log_weights);
            for_all_resamplers([&](const char* resampler, const auto& r) {
                CAPTURE(name);
                CAPTURE(resampler);
                CAPTURE(n);
                const auto ancestors = ancestors_of(context, r, cumulative, 41);
                for (const auto i : ancestors) {
                    REQUIRE((i >= 0 && i < n));
                    REQUIRE(log_weights[static_cast<std::size_t>(i)] > -infinity);
                }
                if (std::string(resampler) != "multinomial")
                    CHECK(std::is_sorted(ancestors.begin(), ancestors.end()));
            });
        }
    }
}

TEST_CASE("offspring keep the bounds of each resampler") {
    const auto context = back_ends::eigen<double>::make(1);
    for (const index_t n : {1, 17, 1000}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            const auto cumulative = cumulative_of(log_weights);
            for (std::uint64_t seed = 0; seed < 20; ++seed) {
                CAPTURE(name);
                CAPTURE(seed);
                const auto even = offspring(ancestors_of(context, systematic{}, cumulative, seed)),
                           strata = offspring(ancestors_of(context, stratified{}, cumulative, seed)),
                           rest = offspring(ancestors_of(context, residual{}, cumulative, seed)),
                           pairs = offspring(ancestors_of(context, ssp{}, cumulative, seed));
                long double expected_sum = 0.0L, sum = 0.0L;
                for (std::size_t i = 0; i < even.size(); ++i) {
                    const long double expected = share(cumulative, i) * static_cast<long double>(n);
                    REQUIRE(std::abs(static_cast<long double>(even[i]) - expected) <
                            1.0L + 1e-12L); // floor or ceiling
                    REQUIRE(std::abs(static_cast<long double>(pairs[i]) - expected) < 1.0L + 1e-12L);
                    REQUIRE(std::abs(static_cast<long double>(strata[i]) - expected) < 2.0L + 1e-12L);
                    // A particle has its whole copies at least.
                    REQUIRE(static_cast<long double>(rest[i]) >= std::floor(expected - 1e-12L));
                    expected_sum += expected;
                    sum += static_cast<long double>(strata[i]);
                    REQUIRE(std::abs(sum - expected_sum) < 1.0L + 1e-9L); // of all up to i
                }
            }
        }
    }
}

TEST_CASE("systematic offspring average to N w over all offsets") {
    // As a function of u a particle's offspring jump at two places at most, so a grid of G midpoints errs by
    // 2/G at most.
    constexpr int grid = 4096;
    const auto context = back_ends::eigen<double>::make(1);
    for (const index_t n : {1, 2, 37}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            CAPTURE(name);
            const auto cumulative = cumulative_of(log_weights);
            std::vector<index_t> total(log_weights.size());
            for (int g = 0; g < grid; ++g) {
                const auto count = offspring(systematic_at(context, cumulative, (g + 0.5) / grid));
                for (std::size_t i = 0; i < count.size(); ++i) total[i] += count[i];
            }
            for (std::size_t i = 0; i < total.size(); ++i)
                CHECK(std::abs(static_cast<double>(total[i]) / grid -
                               static_cast<double>(share(cumulative, i)) * static_cast<double>(n)) <=
                      2.0 / grid);
        }
    }
}

TEST_CASE("every resampler's offspring are unbiased, and as variable as they should be") {
    // 12 particles x 5 resamplers, each mean held to 4.5 standard errors of 20,000 draws: by chance one of
    // all fails once in 2,400 seeds.
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 12, draws = 20'000;
    const std::vector<double> log_weights{0.0,  -1.0, -infinity, -0.3, -2.5, 0.7,
                                          -0.1, -3.0, -1.7,      0.2,  -0.6, -2.0};
    const auto cumulative = cumulative_of(log_weights);
    std::vector<double> variance;
    for_all_resamplers([&](const char* name, const auto& r) {
        CAPTURE(name);
        std::vector<std::vector<index_t>> counts;
        for (index_t draw = 0; draw < draws; ++draw)
            counts.push_back(
                offspring(ancestors_of(context, r, cumulative, static_cast<std::uint64_t>(draw))));
        double sum = 0.0;
        for (std::size_t i = 0; i < log_weights.size(); ++i) {
            CAPTURE(i);
            const double expected = static_cast<double>(n) * static_cast<double>(share(cumulative, i));
            const auto mean = statistics::average(draws, [&](index_t draw) {
                return static_cast<double>(counts[static_cast<std::size_t>(draw)][i]);
            });
            CHECK(statistics::within(mean, expected));
            const double own = diamond::square(mean.standard_error) * static_cast<double>(draws);
            sum += own;
            // A binomial's variance; the estimate's own standard error is below 2 %, as the excess kurtosis
            // is below 1/(N p) < 4.
            if (std::string(name) == "multinomial")
                CHECK(own == doctest::Approx(expected * (1.0 - expected / n)).epsilon(0.09));
        }
        variance.push_back(sum);
    });
    CHECK(variance[1] < 0.6 * variance[0]); // stratified, systematic, residual and SSP vary less than
                                            // multinomial
    CHECK(variance[2] < 0.6 * variance[0]);
    CHECK(variance[3] < 0.6 * variance[0]);
    // SSP and systematic: a remainder f has the variance f (1 - f), the least there is.
    double least = 0.0;
    for (std::size_t i = 0; i < log_weights.size(); ++i) {
        const double expected = static_cast<double>(n) * static_cast<double>(share(cumulative, i)),
                     rest = expected - std::floor(expected);
        least += rest * (1.0 - rest);
    }
    CHECK(variance[4] == doctest::Approx(least).epsilon(0.05));
    CHECK(variance[2] == doctest::Approx(least).epsilon(0.05));
}

TEST_CASE(
    "SSP rounds pairs in the order of the particles, in exact arithmetic; and no two rise or fall together") {
    const auto context = back_ends::eigen<double>::make(1);
    // The process as it is published, on whole numbers of which `total` make one copy.
    for (const index_t n : {1, 2, 3, 64, 1000}) {
        for (const auto& [name, log_weights] : weight_cases(n)) {
            CAPTURE(name);
            CAPTURE(n);
            const auto cumulative = cumulative_of(log_weights);
            const auto stream = philox{23}.stream(purpose::resampling, 3);
            const wide total = cumulative.back();
            std::vector<wide> part(cumulative.size());
            for (std::size_t i = 0; i < part.size(); ++i)
                part[i] = wide{cumulative[i] - (i == 0 ? 0 : cumulative[i - 1])} *
                          static_cast<std::uint64_t>(n);
            const auto is_open = [&](std::size_t i) { return part[i] % total != 0; };
            for (std::size_t open = 0, i = 1; i < part.size(); ++i) {
                if (!is_open(open)) open = i;
                if (open == i || !is_open(i)) continue;
                const wide p = part[open] % total, q = part[i] % total;
                const wide up = std::min(total - p, q), down = std::min(p, total - q); // of `open`
                const auto words = stream.words(static_cast<index_t>(i), 0);
                const std::uint64_t u = std::uint64_t{words.word[1]} << 32 | words.word[0];
                const bool rises = wide{u} * (up + down) >> 64 < down;
                part[open] = rises ? part[open] + up : part[open] - down;
                part[i] = rises ? part[i] - up : part[i] + down;
                if (!is_open(open)) open = i;
            }
            std::vector<index_t> expected;
            for (const wide one : part) {
                CHECK(one % total == 0);
                expected.push_back(static_cast<index_t>(one / total));
            }
            CHECK(offspring(ancestors_of(context, ssp{}, cumulative, 23)) == expected);
        }
    }
    // Offspring are negatively correlated, pair by pair: at most 4.5 standard errors above 0.
    const auto cumulative = cumulative_of({-1.0, -1.3, -0.2, -0.9, -2.0});
    std::vector<std::vector<index_t>> counts;
    for (std::uint64_t seed = 0; seed < 20'000; ++seed)
        counts.push_back(offspring(ancestors_of(context, ssp{}, cumulative, seed)));
    for (std::size_t a = 0; a < 5; ++a)
        for (std::size_t b = 0; b < a; ++b) {
            const auto product = statistics::average(20'000, [&](index_t draw) {
                const auto& of = counts[static_cast<std::size_t>(draw)];
                return (static_cast<double>(of[a]) - 5.0 * static_cast<double>(share(cumulative, a))) *
                       (static_cast<double>(of[b]) - 5.0 * static_cast<double>(share(cumulative, b)));
            });
            CHECK(product.value < 4.5 * product.standard_error);
        }
}

TEST_CASE_TEMPLATE("cumulative weights in fixed point are those of long double to half a unit a particle",
                   back, DOUBLE_BACK_ENDS) {
    const auto context = back::make(2);
    for (const index_t n : {1, 2, 3, 1024, 1025, 100'000}) {
        const double scale = diamond::fixed_point_scale(n);
        for (const auto& [name, log_weights] : weight_cases(n)) {
            CAPTURE(name);
            CAPTURE(n);
            const auto device = diamond::from_host(context, 1, n, log_weights);
            auto sums = diamond::owning_batch<std::uint64_t, typename back::context>(context, 1, n);
            diamond::resampling_scratch<typename back::context> space;
            diamond::cumulative_weights(context, device.data(), n, space, sums.data());
            const auto cumulative = diamond::to_host(sums);
            const double high = *std::max_element(log_weights.begin(), log_weights.end());
            long double total = 0.0L;
            for (std::size_t j = 0; j < cumulative.size(); ++j) {
                total += std::exp(static_cast<long double>(log_weights[j] - high));
                // half a unit from rounding, and the exponential's own error, an ulp of a double
                REQUIRE(std::abs(static_cast<long double>(cumulative[j]) -
                                 total * static_cast<long double>(scale)) <=
                        0.5L * static_cast<long double>(j + 1) +
                            total * static_cast<long double>(scale) * 0x1p-52L);
            }
            CHECK(cumulative.back() <= (std::uint64_t{1} << 62) + static_cast<std::uint64_t>(n));
        }
    }
}

TEST_CASE("the scale of fixed point leaves room for the sum, and no more than it must") {
    for (const index_t n : {index_t{1}, index_t{2}, index_t{3}, index_t{4}, index_t{5}, index_t{1} << 20,
                            (index_t{1} << 20) + 1, index_t{INT32_MAX}}) {
        const double sum = diamond::fixed_point_scale(n) * static_cast<double>(n);
        CHECK(sum <= 0x1p62);
        CHECK(sum > 0x1p61);
    }
}

TEST_CASE("each resampler names the error of log Z that goes with it") {
    CHECK(multinomial{}.method() == diamond::log_z_error::lee_whiteley);
    CHECK(stratified{}.method() == diamond::log_z_error::family_weights);
    CHECK(systematic{}.method() == diamond::log_z_error::family_weights);
    CHECK(residual{}.method() == diamond::log_z_error::family_weights);
    CHECK(ssp{}.method() == diamond::log_z_error::family_weights);
}

} // namespace align_resampling_test
