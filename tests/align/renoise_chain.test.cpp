/// renoise_chain: the tilted law is what it leaves as it is, and where it goes from anywhere; what it says of
/// its own convergence; and a move that is always accepted goes to another law.
#include <diamond/align/renoise_chain.hpp>
#include <diamond/schedule/cosine.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_renoise_chain_test {

using namespace cases;
using diamond::exact_posterior, diamond::renoise_chain, diamond::renoise_chain_options, diamond::square;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// The reward as it is for those who ask for it, and 0 for the chain: every move is accepted.
struct nothing {
    double operator()(diamond::column_view<const double>) const { return 0.0; }
};
/// Mean of z_0, z_1, z_0^2 and z_0 z_1 over the particles.
std::vector<statistics::estimate> moments_of(const batch& z) {
    std::vector<double> of[4];
    for (index_t j = 0; j < z.columns(); ++j) {
        const double a = z.data()[2 * j], b = z.data()[2 * j + 1];
        of[0].push_back(a);
        of[1].push_back(b);
        of[2].push_back(a * a);
        of[3].push_back(a * b);
    }
    return {statistics::average(of[0]), statistics::average(of[1]), statistics::average(of[2]),
            statistics::average(of[3])};
}
/// Whether all moments of two sets of particles agree.
bool agree(const batch& x, const batch& y) {
    const auto a = moments_of(x), b = moments_of(y);
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::abs(a[i].value - b[i].value) > 4.0 * std::hypot(a[i].standard_error, b[i].standard_error))
            return false;
    return true;
}
batch exact_draws(index_t n, const form_reward<double>& reward, std::uint64_t seed) {
    batch z(context, 2, n);
    mixture<batch>(context)
        .tilted(reward.quadratic_form())
        .tilted.draw(philox{seed}.stream(purpose::data), z.mutable_view());
    return z;
}

} // namespace

TEST_CASE("the tilted law is invariant, move by move, with any noise") {
    const auto reward = bowl_2d<double>(3.0);
    constexpr index_t n = 20000;
    const auto start = exact_draws(n, reward, 5), other = exact_draws(n, reward, 6);
    CHECK(agree(start, other));
    for (const double ratio : {0.3, 1.0, 4.0}) {
        CAPTURE(ratio);
        renoise_chain chain{exact_posterior{mixture<batch>(context)},
                            reward,
                            {.particles = n, .adaptation = 0, .steps = 4, .noise_ratio = ratio}};
        const auto result = chain(context, philox{1}, start.read());
        CHECK(agree(result.particles, other));
        CHECK(result.acceptance > 0.02);
        CHECK(result.acceptance < 0.98);
        CHECK(result.noise_ratio == ratio);
        CHECK(result.exact_for_model);
        // A chain that accepts everything moves towards the prior.
        renoise_chain always{exact_posterior{mixture<batch>(context)},
                             nothing{},
                             {.particles = n, .adaptation = 0, .steps = 4, .noise_ratio = ratio}};
        CHECK(!agree(always(context, philox{1}, start.read()).particles, other));
    }
}

TEST_CASE("from draws of the model, and from one point, it arrives, and says so") {
    const auto reward = bowl_2d<double>(3.0);
    constexpr index_t n = 3000;
    const auto exact = exact_draws(20000, reward, 6);
    renoise_chain chain{
        exact_posterior{mixture<batch>(context)}, reward, {.particles = n, .adaptation = 32, .steps = 300}};
    batch corner(context, 2, n);
    for (index_t j = 0; j < 2 * n; ++j) corner.data()[j] = 3.0;
    for (const bool from_model : {true, false}) {
        CAPTURE(from_model);
        const auto result = from_model ? chain(context, philox{2}) : chain(context, philox{3}, corner.read());
        CHECK(agree(result.particles, exact));
        CHECK(result.r_hat < 1.05);
        CHECK(result.reliable == from_model);
        CHECK(result.warnings.size() == (from_model ? 0u : 1u));
        CHECK(std::abs(result.acceptance - 0.3) < 0.1);
        CHECK(result.ess > static_cast<double>(n));
        CHECK(result.ess <= 300.0 * static_cast<double>(n));
        CHECK(result.spent.forward == n * (332 + (from_model ? 1 : 0)));
        CHECK(result.spent.reward == n * 333);
        for (index_t j = 0; j < n; ++j)
            CHECK(result.rewards[static_cast<std::size_t>(j)] ==
                  doctest::Approx(reward(result.particles.read().column(j))).epsilon(1e-12));
    }
    // Small moves from one point have not arrived, and that is told.
    renoise_chain slow{exact_posterior{mixture<batch>(context)},
                       reward,
                       {.particles = 500, .adaptation = 0, .steps = 8, .noise_ratio = 0.01}};
    const auto stuck = slow(
        context, philox{3},
        diamond::from_host<double>(context, 2, 500, std::vector<double>(1000, 3.0)).read());
    CHECK(!stuck.reliable);
    CHECK(stuck.r_hat > 1.1);
    CHECK(std::isnan(stuck.ess));
    REQUIRE(stuck.warnings.size() == 2);
    CHECK(stuck.warnings.front().find("samples that were given") != std::string::npos);
    CHECK(stuck.warnings.back().find("R-hat is") != std::string::npos);
}

TEST_CASE("the reported effective number of draws is that of the mean of the reward") {
    const auto reward = bowl_2d<double>(2.0);
    const double moves = 200;
    std::vector<double> means;
    double ess = 0.0, variance = 0.0;
    for (std::uint64_t run = 0; run < 60; ++run) {
        renoise_chain chain{exact_posterior{mixture<batch>(context)},
                            reward,
                            {.particles = 100, .adaptation = 20, .steps = static_cast<index_t>(moves)}};
        double sum = 0.0, squares = 0.0;
        const auto result = chain(context, philox{7}.split(run), {}, [&](const auto& view) {
            if (view.step <= 20) return;
            for (index_t j = 0; j < 100; ++j) {
                const double r = reward(view.particles.column(j));
                sum += r / (100.0 * moves);
                squares += r * r / (100.0 * moves);
            }
        });
        means.push_back(sum);
        ess += result.ess / 60.0;
        variance += (squares - sum * sum) / 60.0;
    }
    const auto mean = statistics::average(means);
    const double spread = 60.0 * square(mean.standard_error); // the variance of one run's mean
    const double ratio = ess / (variance / spread);
    MESSAGE("effective draws reported ", ess, ", by the spread of runs ", variance / spread);
    CHECK(ratio > 0.55); // 60 runs know a variance to a fifth
    CHECK(ratio < 1.8);
}

TEST_CASE_TEMPLATE("every back end, and any number of threads, moves alike", back, BACK_ENDS) {
    using other = typename back::batch;
    using real = typename other::value_type;
    const auto one = back::make(1), two = back::make(2);
    const auto run = [&](const auto& on) {
        renoise_chain chain{exact_posterior{mixture<other>(on)},
                            bowl_2d<real>(2.0),
                            {.particles = 300, .adaptation = 6, .steps = 8}};
        auto result = chain(on, philox{4});
        return std::pair{diamond::to_host(result.particles), result.r_hat};
    };
    const auto a = run(one), b = run(two);
    CHECK(a.first == b.first);
    CHECK(a.second == b.second);
}

TEST_CASE("constraints: a chain that stands where it may not takes any move, and none afterwards that leads "
          "there") {
    auto walled = tilt_2d<double>();
    walled.wall = 0.3;
    renoise_chain chain{exact_posterior{mixture<batch>(context)}, walled, {.particles = 2000, .steps = 60}};
    const auto result = chain(context, philox{5});
    for (index_t j = 0; j < 2000; ++j) CHECK(result.particles.data()[2 * j] >= 0.3);
    // Sampled by rejection, with the weights of the tilt
    const auto tilted = exact_draws(40000, tilt_2d<double>(), 8);
    std::vector<double> kept;
    for (index_t j = 0; j < 40000; ++j)
        if (tilted.data()[2 * j] >= 0.3) kept.push_back(tilted.data()[2 * j]);
    std::vector<double> found;
    for (index_t j = 0; j < 2000; ++j) found.push_back(result.particles.data()[2 * j]);
    const auto a = statistics::average(kept), b = statistics::average(found);
    CHECK(std::abs(a.value - b.value) < 4.0 * std::hypot(a.standard_error, b.standard_error));
}

TEST_CASE("chains of which some still stand where they may not are not taken to agree") {
    auto walled = tilt_2d<double>();
    walled.wall = 2.5; // few draws are beyond it
    renoise_chain chain{
        exact_posterior{mixture<batch>(context)}, walled, {.particles = 64, .adaptation = 0, .steps = 8}};
    const auto result = chain(context, philox{5});
    CHECK(std::count(result.rewards.begin(), result.rewards.end(), -diamond::infinity) > 0);
    CHECK(result.r_hat == diamond::infinity);
    CHECK(std::isnan(result.ess));
    CHECK(!result.reliable);
}

TEST_CASE("what no chain can take is refused") {
    const auto of = [](renoise_chain_options options) {
        renoise_chain chain{exact_posterior{mixture<batch>(context)}, bowl_2d<double>(), options};
        return chain;
    };
    CHECK_THROWS_WITH_AS(of({.particles = 0}), doctest::Contains("0 particles"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.adaptation = -1}), doctest::Contains("adaptation is -1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.steps = 3}), doctest::Contains("steps is 3"), std::invalid_argument);
    for (const double bad : {0.0, -1.0, std::nan(""), infinity})
        CHECK_THROWS_WITH_AS(of({.noise_ratio = bad}), doctest::Contains("noise_ratio is"),
                             std::invalid_argument);
    for (const double bad : {0.0, 1.0, std::nan("")})
        CHECK_THROWS_WITH_AS(of({.acceptance = bad}), doctest::Contains("acceptance is"),
                             std::invalid_argument);
    const auto few = exact_draws(5, bowl_2d<double>(), 1);
    auto chain = of({.particles = 6});
    CHECK_THROWS_WITH_AS(chain(context, philox{1}, few.read()),
                         doctest::Contains("starts from 5 of dimension 2"), std::invalid_argument);
    auto spoilt = exact_draws(6, bowl_2d<double>(), 1);
    spoilt.data()[3] = NAN;
    CHECK_THROWS_AS(chain(context, philox{1}, spoilt.read()), diamond::numeric_error);
    const auto stopped = chain(context, philox{1}, {}, [](const auto& view) { return view.step < 5; });
    CHECK(!stopped.complete);
    CHECK(!stopped.reliable);
    CHECK(std::isnan(stopped.r_hat));
}

} // namespace align_renoise_chain_test
