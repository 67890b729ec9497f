// Draws of a Latin hypercube: one in each stratum of each coordinate, each alone N(0, 1), coordinates and
// particles independent; the quantiles of the normal distribution.
#include <algorithm>
#include <cmath>
#include <vector>

#include <diamond/random/draw.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace random_latin_hypercube_test {

using diamond::index_t, diamond::noise_stream, diamond::philox, diamond::purpose;

namespace {
constexpr double standard_errors = 4.5; // would refuse 7 in a million
double below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
template <class Back>
std::vector<double> drawn(index_t d, index_t particles, index_t samples, int threads = 2,
                          bool hypercube = true) {
    const auto context = Back::make(threads);
    typename Back::batch out(context, d, particles * samples);
    noise_stream stream = philox{5}.stream(purpose::value, 3, samples);
    stream.latin_hypercube = hypercube;
    diamond::draw_normal(stream, out.mutable_view());
    const auto host = diamond::to_host(out);
    return {host.begin(), host.end()};
}
/// Whether each of the M strata of coordinate i of each particle has one draw.
bool stratified(const std::vector<double>& x, index_t d, index_t samples) {
    const auto size = static_cast<std::size_t>(samples), rows = static_cast<std::size_t>(d);
    for (std::size_t begin = 0; begin < x.size(); begin += rows * size)
        for (std::size_t i = 0; i < rows; ++i) {
            std::vector<int> found(size, 0);
            for (std::size_t m = 0; m < size; ++m) {
                const double u = below(x[begin + m * rows + i]) * static_cast<double>(samples);
                ++found[std::min(static_cast<std::size_t>(u), size - 1)];
            }
            if (std::any_of(found.begin(), found.end(), [](int count) { return count != 1; })) return false;
        }
    return true;
}
} // namespace

TEST_CASE("the number that a normal exceeds with a given probability") {
    // Against erfc, whose error is a few units in the last place: its slope is the density.
    for (const double p :
         {0.5, 0.49, 0.3, 0.0751, 0.0749, 0.01, 1e-4, 1e-8, 1.3e-11, 1.5e-11, 1e-12, 1e-16, 7e-18}) {
        const double x = diamond::normal_exceeded_with(p);
        CHECK(std::abs(below(-x) / p - 1.0) < 4e-15 * (1.0 + x * x));
    }
    CHECK(diamond::normal_exceeded_with(0.5) == 0.0);
    CHECK(diamond::normal_exceeded_with(0.001) == doctest::Approx(3.090232306167813).epsilon(1e-14));
    CHECK(diamond::normal_exceeded_with(1e-12) == doctest::Approx(7.034483825301132).epsilon(1e-14));
}

TEST_CASE_TEMPLATE("each coordinate of a particle has one draw in each stratum", back, ALL_BACK_ENDS) {
    // 3,000 particles: some draw would leave its stratum by rounding to float with probability 3e-7 M a
    // number.
    for (const index_t samples : {2, 3, 16}) {
        CAPTURE(samples);
        CHECK(stratified(drawn<back>(5, 100, samples), 5, samples));
        CHECK(!stratified(drawn<back>(5, 100, samples, 2, false), 5, samples)); // independent draws are not
    }
    CHECK(drawn<back>(3, 40, 1) == drawn<back>(3, 40, 1, 2, false)); // one draw has one stratum
    // A particle's draws depend on its place alone.
    const auto few = drawn<back>(4, 7, 8), many = drawn<back>(4, 300, 8, 1);
    CHECK(few == std::vector<double>(many.begin(), many.begin() + 4 * 7 * 8));
}

TEST_CASE("each draw alone is standard normal; coordinates and particles are independent") {
    using back = back_ends::eigen<double>;
    constexpr index_t particles = 100'000, samples = 4;
    const auto x = drawn<back>(2, particles, samples);
    const auto at = [&](index_t i, index_t m, index_t j) {
        return x[static_cast<std::size_t>(2 * (samples * j + m) + i)];
    };
    const double n = static_cast<double>(particles);
    for (index_t m = 0; m < samples; ++m) {
        std::vector<double> own;
        double sum[5] = {};
        for (index_t j = 0; j < particles; ++j) {
            const double v = at(0, m, j);
            own.push_back(v);
            for (int k = 1; k < 5; ++k) sum[k] += std::pow(v, k);
        }
        CHECK(std::abs(sum[1] / n) < standard_errors * std::sqrt(1.0 / n));
        CHECK(std::abs(sum[2] / n - 1.0) < standard_errors * std::sqrt(2.0 / n));
        CHECK(std::abs(sum[3] / n) < standard_errors * std::sqrt(15.0 / n));
        CHECK(std::abs(sum[4] / n - 3.0) < standard_errors * std::sqrt(96.0 / n));
        // Kolmogorov and Smirnov: sqrt(n) times the distance is above 2.6 in 3 of a million.
        std::sort(own.begin(), own.end());
        double distance = 0.0;
        for (std::size_t k = 0; k < own.size(); ++k)
            distance = std::max(distance, std::abs(below(own[k]) - (static_cast<double>(k) + 0.5) / n));
        CHECK(distance * std::sqrt(n) < 2.6);
    }
    double coordinates = 0.0, squares = 0.0, neighbours = 0.0, draws = 0.0;
    for (index_t j = 0; j + 1 < particles; ++j) {
        coordinates += at(0, 1, j) * at(1, 1, j);
        squares += (diamond::square(at(0, 2, j)) - 1.0) * (diamond::square(at(1, 2, j)) - 1.0);
        neighbours += at(0, 0, j) * at(0, 0, j + 1);
        draws += at(0, 0, j) * at(0, 1, j);
    }
    CHECK(std::abs(coordinates) < standard_errors * std::sqrt(n));
    CHECK(std::abs(squares) < standard_errors * 2.0 * std::sqrt(n));
    CHECK(std::abs(neighbours) < standard_errors * std::sqrt(n));
    // Draws of a particle are not: of four strata with means +-1.271, +-0.325 no two are the same, and the
    // mean product of two is -(sum of their squares)/12 = -0.287.
    CHECK(std::abs(draws / n + 0.287) < 0.02);
    // All orders of three strata are as likely: each of six has a share 1/6.
    const auto three = drawn<back>(1, particles, 3);
    double orders[8] = {};
    for (std::size_t j = 0; j < three.size(); j += 3)
        orders[(three[j] < three[j + 1] ? 4 : 0) + (three[j + 1] < three[j + 2] ? 2 : 0) +
               (three[j] < three[j + 2] ? 1 : 0)] += 1.0 / n;
    int seen = 0;
    for (const double share : orders) {
        if (share == 0.0) continue;
        ++seen;
        CHECK(std::abs(share - 1.0 / 6.0) < standard_errors * std::sqrt(5.0 / 36.0 / n));
    }
    CHECK(seen == 6);
}

} // namespace random_latin_hypercube_test
