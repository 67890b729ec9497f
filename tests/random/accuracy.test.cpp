/// Logarithm, directions and normals against long double, in units in the last place.
#include <random>

#include <doctest/doctest.h>

#include <diamond/random/normal.hpp>

#include <support/numbers.hpp>

namespace random_accuracy_test {

using diamond::normal_block, diamond::philox_block, numbers::ulps;

namespace {
constexpr long double long_pi = 3.14159265358979323846264338327950288L;

/// The uniform that squared_radius(word) stands for. In float it is rounded, and the law with it: near 1 to
/// multiples of 2^-24.
long double unit(std::uint32_t word) { return (static_cast<float>(word) + 0.5f) * 0x1p-32f; }
long double unit(std::uint64_t word) { return (static_cast<long double>(word >> 12) + 0.5L) * 0x1p-52L; }

/// The angle that turn(bits) stands for: the quadrant's middle lies at 0, and the quadrants follow each other
/// as the signs say.
struct exact_turn {
    long double cosine, sine;
    exact_turn(std::uint32_t bits)
        : exact_turn(bits >> 30, (static_cast<long double>(bits & 0x3fffffffu) + 0.125L) * 0x1p-30L) {
    }                              // NOLINT
    exact_turn(std::uint64_t bits) // NOLINT
        : exact_turn(static_cast<std::uint32_t>(bits >> 62),
                     (static_cast<long double>(bits << 2 >> 12) + 0.5L) * 0x1p-52L) {}

private:
    exact_turn(std::uint32_t quadrant, long double fraction) {
        const long double x = (fraction - 0.5L) * (long_pi / 2.0L), c = std::cos(x), s = std::sin(x);
        switch (quadrant) {
        case 0:
            cosine = c, sine = s;
            break;
        case 1:
            cosine = -s, sine = c;
            break;
        case 2:
            cosine = -c, sine = -s;
            break;
        default:
            cosine = s, sine = -c;
            break;
        }
    }
};

/// Words of every size: all small and large ones, and a sweep between.
template <class Word>
std::vector<Word> words() {
    std::vector<Word> result;
    std::mt19937_64 generator(1);
    for (Word k = 0; k < 5'000; ++k) {
        result.push_back(k);
        result.push_back(~k);
    }
    for (std::size_t k = 0; k < 500'000; ++k)
        result.push_back(static_cast<Word>(generator() >> (k % (8 * sizeof(Word)))));
    for (unsigned bit = 0; bit < 8 * sizeof(Word); ++bit)
        for (Word k = 0; k < 100; ++k) {
            result.push_back((Word{1} << bit) + k);
            result.push_back((Word{1} << bit) - k);
        }
    return result;
}
} // namespace

TEST_CASE_TEMPLATE("the logarithm is good to 1.5 ulp", word, std::uint32_t, std::uint64_t) {
    double worst = 0.0;
    for (const word w : words<word>()) {
        const auto r = diamond::detail::squared_radius(w);
        REQUIRE(r >= 0);
        worst = std::max(worst, ulps(r, -2.0L * std::log(unit(w))));
    }
    MESSAGE("worst: " << worst << " ulp");
    CHECK(worst < 1.5);
}

TEST_CASE_TEMPLATE("directions are good to 3 ulp, and of unit length", word, std::uint32_t, std::uint64_t) {
    double worst = 0.0, worst_length = 0.0;
    for (const word w : words<word>()) {
        const auto direction = diamond::detail::sine_cosine_of(w);
        const exact_turn exact(w);
        worst = std::max({worst, ulps(direction.cosine, exact.cosine), ulps(direction.sine, exact.sine)});
        worst_length = std::max(
            worst_length, ulps(direction.cosine * direction.cosine + direction.sine * direction.sine, 1.0L));
    }
    MESSAGE("worst: " << worst << " ulp, length " << worst_length << " ulp");
    CHECK(worst < 3.0);
    CHECK(worst_length < 4.0);
}

TEST_CASE_TEMPLATE("normals are good to 4 ulp", real, float, double) {
    std::mt19937_64 generator(2);
    double worst = 0.0;
    for (int again = 0; again < 300'000; ++again) {
        const philox_block words{
            {static_cast<std::uint32_t>(generator()), static_cast<std::uint32_t>(generator()),
             static_cast<std::uint32_t>(generator()), static_cast<std::uint32_t>(generator())}};
        const normal_block<real> block(words);
        const auto check = [&](auto radius_word, auto turn_word, int k) {
            const exact_turn exact(turn_word);
            const long double radius = std::sqrt(-2.0L * std::log(unit(radius_word)));
            worst = std::max({worst, ulps(block.value[2 * k], radius * exact.cosine),
                              ulps(block.value[2 * k + 1], radius * exact.sine)});
        };
        if constexpr (sizeof(real) == 4) {
            check(words.word[0], words.word[1], 0);
            check(words.word[2], words.word[3], 1);
        } else {
            check(std::uint64_t{words.word[1]} << 32 | words.word[0],
                  std::uint64_t{words.word[3]} << 32 | words.word[2], 0);
        }
    }
    MESSAGE("worst: " << worst << " ulp");
    CHECK(worst < 4.0);
}

TEST_CASE("the largest radius lies beyond 6 sigma") {
    CHECK(std::sqrt(diamond::detail::squared_radius(std::uint32_t{0})) ==
          doctest::Approx(6.764).epsilon(1e-3));
    CHECK(std::sqrt(diamond::detail::squared_radius(std::uint64_t{0})) ==
          doctest::Approx(8.572).epsilon(1e-3));
    CHECK(diamond::detail::squared_radius(~std::uint32_t{0}) == 0.0f);
    CHECK(diamond::detail::squared_radius(~std::uint64_t{0}) > 0.0);
}

TEST_CASE("the radius's law is exact in the tail: every word enumerated") {
    // P(|Z| > z) = 2^-32 sum over the words with r > z of (2/pi) acos(z/r). This is a midpoint rule in u: its
    // relative error is of the order of (words)^-3/2, for acos ends as a square root; z = 6 has 65 words
    // beyond. Radii in float move the tail by z^2 epsilon.
    for (const auto& [z, exact] :
         {std::pair{4.0, 6.334248366623984e-5}, {5.0, 5.733031437583878e-7}, {6.0, 1.973175289880345e-9}}) {
        double sum = 0.0, words = 0.0;
        for (std::uint32_t w = 0;; ++w) {
            const double radius = std::sqrt(static_cast<double>(diamond::detail::squared_radius(w)));
            if (radius <= z) break;
            sum += 2.0 / diamond::pi * std::acos(z / radius);
            words += 1.0;
        }
        MESSAGE(z << " sigma: " << sum * 0x1p-32 / exact - 1.0);
        CHECK(sum * 0x1p-32 ==
              doctest::Approx(exact).epsilon(1.0 / std::pow(words, 1.5) + z * z * 1.2e-7).scale(0.0));
    }
}

} // namespace random_accuracy_test
