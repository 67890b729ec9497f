/// What a run does by its pilot, (eq. smc-plan): which plan is chosen and why, that Z-hat is unbiased by
/// every plan, that a choice by the run's own particles is not, and that plain weights are what they say.
#include <diamond/io/snapshot.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"
#include "io/scratch.hpp"
#include "results.hpp"

namespace align_smc_plan_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::exact_value,
    diamond::posterior_value, diamond::smc, diamond::smc_options, diamond::square;
using doctest::Contains;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// N(0, I) in the plane: exp(m z_0) has Z = exp(m^2/2), the tilted mean m, and an effective share exp(-m^2)
/// of draws.
template <class Batch>
[[nodiscard]] mixture_of<Batch> normal(const diamond::backend_of_t<Batch>& where) {
    return {where, {}, {1.0}, {0.0, 0.0}, {1.0, 1.0}};
}
template <class Real>
[[nodiscard]] form_reward<Real> along(double m) {
    return {{m, 0.0}, {0.0, 0.0}};
}
/// Allows z_0 >= wall.
[[nodiscard]] form_reward<double> behind(double wall) {
    auto allows = along<double>(0.0);
    allows.wall = wall;
    return allows;
}
template <class Reward>
auto by_draws(const Reward& reward, const smc_options& options, index_t samples = 1) {
    const exact_posterior draws{normal<batch>(context)};
    return smc{ddpm_posterior_kernel{draws}, posterior_value{draws, reward, {.samples = samples}}, options};
}
/// A run that may have ended with all weights zero.
template <class Sampler>
double log_z_of(Sampler& sampler, std::uint64_t run, bool& plain) {
    auto state = sampler.start(context, philox{31}.split(run));
    plain = state.plan.plain();
    try {
        while (!state.done()) sampler.step(state);
        return sampler.finish(std::move(state)).log_z;
    } catch (const diamond::dead_weights&) {
        return -infinity;
    }
}

} // namespace

TEST_CASE("where the pilot knows plain weights' variance, values of few draws are not paid for") {
    for (const index_t samples : {index_t{1}, index_t{3}}) {
        CAPTURE(samples);
        auto chosen = by_draws(along<double>(1.0), {.particles = 600, .steps = 8}, samples);
        auto smc_alone = by_draws(along<double>(1.0), {.particles = 600, .steps = 8, .plain_ratio = 0.0},
                                  samples);
        const auto result = chosen(context, philox{1}), other = smc_alone(context, philox{1});
        REQUIRE(result.plan.plain());
        CHECK(result.plan.reason.starts_with("plain weights on " + std::to_string(result.plan.draws) +
                                             " draws: by the pilot the relative variance of Z is about "));
        CHECK(!other.plan.plain());
        CHECK(other.plan.reason.empty());
        CHECK(result.pilot.draws == other.pilot.draws);
        // As many evaluations, within the last draw: those of values have become draws.
        const auto saved = other.spent.evaluations() - result.spent.evaluations();
        CHECK(saved >= 0);
        CHECK(saved < 8);
        CHECK(result.plan.draws > 600 * (1 + (7 * samples - 1) / 8));
        // The pilot's rewards, as many values to choose, and a reward a draw.
        CHECK(result.spent.reward == result.pilot.draws + 512 * samples + result.plan.draws);
        CHECK(result.advice.empty());
        CHECK(result.reliable);
        for (std::size_t k = 0; k + 1 < result.steps.size(); ++k) {
            CHECK(!result.steps[k].resampled);
            CHECK(result.steps[k].ess == doctest::Approx(600.0));
        }
        // Particles hold the weights that they were chosen by.
        double mean = 0.0;
        for (const double w : result.log_weights) mean += std::exp(w) / 600.0;
        CHECK(result.log_z == doctest::Approx(std::log(mean)).epsilon(1e-12));
        for (std::size_t j = 0; j < 600; ++j)
            CHECK(result.rewards[j] == doctest::Approx(to_host(result.particles)[2 * j]).epsilon(1e-9));
    }
}

TEST_CASE("values that tell more than plain weights are read, and the run keeps its bits") {
    const auto model = normal<batch>(context);
    const auto tilt = along<double>(1.5); // plain weights have exp(2.25) - 1 = 8.5, exact values at
                                          // least 2.25
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    smc chosen{kernel, exact_value{model, tilt}, {.particles = 600, .steps = 8}};
    smc alone{kernel, exact_value{model, tilt}, {.particles = 600, .steps = 8, .plain_ratio = 0.0}};
    const auto result = chosen(context, philox{2}), other = alone(context, philox{2});
    CHECK(!result.plan.plain());
    CHECK(result.plan.reason.starts_with("SMC: by the pilot"));
    CHECK(numbers::same_bits(to_host(result.particles), to_host(other.particles)));
    CHECK(numbers::same_bits(result.log_weights, other.log_weights));
    CHECK(result.log_z == other.log_z);
    CHECK(result.steps == other.steps);
    // What the choice has cost: a step of 512 particles, and their values, of two evaluations each.
    CHECK(result.spent.evaluations() == other.spent.evaluations() + 3 * 512);
    // A larger ratio takes plain weights where they have more variance.
    smc lenient{kernel, exact_value{model, tilt}, {.particles = 600, .steps = 8, .plain_ratio = 20.0}};
    CHECK(lenient(context, philox{2}).plan.plain());
    for (const double bad : {-1.0, infinity, std::nan("")})
        CHECK_THROWS_WITH_AS(by_draws(tilt, {.plain_ratio = bad}), Contains("plain_ratio is "),
                             std::invalid_argument);
}

TEST_CASE("where hardly a draw is allowed, values of draws are noise, and finite ones are read") {
    const smc_options options{.particles = 500, .steps = 6};
    const auto far = behind(2.7); // 0.35 % of draws
    index_t dead = 0;
    for (std::uint64_t run = 0; run < 20; ++run) {
        auto sampler = by_draws(far, options, 4);
        auto state = sampler.start(context, philox{3}.split(run));
        REQUIRE(state.plan.plain());
        CHECK(state.plan.reason.find(", and values of so few would be noise") != std::string::npos);
        CHECK(state.pilot.draws == 500);
        bool plain = false;
        dead += log_z_of(sampler, run, plain) == -infinity;
    }
    CHECK(dead < 4); // 1,750 draws find 6 on average, and none in one run of 400
    // The same constraint by a value that is finite everywhere, that of the reward without its wall.
    const auto model = normal<batch>(context);
    smc sampler{ddpm_posterior_kernel{exact_posterior{model}}, exact_value{model, far}, options};
    CHECK(sampler.start(context, philox{3}).plan.reason.find("does not tell") != std::string::npos);
    // Finite rewards of which few draws hold all the weight: values may know where those are.
    auto peaked = by_draws(along<double>(5.0), options);
    CHECK(peaked.start(context, philox{3}).plan.reason.find("does not tell what plain weights would have") !=
          std::string::npos);
}

TEST_CASE("a mode that the pilot has missed is not left to plain weights where values know of it") {
    // Of weight 1e-4, with r = 20 in its middle and 0 in that of the other.
    const double far = 6.0, variance = 0.01, slope = 20.0 / far;
    const auto model = [&](double weight) {
        return mixture_of<batch>{context,
                                 {},
                                 {1.0 - weight, weight},
                                 {0.0, 0.0, far, 0.0},
                                 {variance, variance, variance, variance}};
    };
    const auto tilt = along<double>(slope);
    const auto run = [&](double weight, double in_values, std::uint64_t seed) {
        smc sampler{ddpm_posterior_kernel{exact_posterior{model(weight)}},
                    exact_value{model(in_values), tilt}, smc_options{.particles = 1024, .steps = 16}};
        return sampler(context, philox{seed});
    };
    const double spread = 0.5 * slope * slope * variance;
    const auto log_z = [&](double weight) { return spread + std::log1p(weight * std::expm1(20.0)); };
    index_t missed = 0;
    for (std::uint64_t seed = 20; seed < 24; ++seed) {
        const auto result = run(1e-4, 1e-4, seed);
        CHECK(!result.plan.plain());
        CHECK(std::abs(result.log_z - log_z(1e-4)) < 1.0); // of plain weights it is 10.7 off
        if (result.pilot.log_z > 1.0) continue;            // a draw has come to the mode
        ++missed;
        CHECK(result.pilot.ess > 300.0);
        CHECK(result.plan.reason.find("these may have missed what carries the weight") != std::string::npos);
        CHECK(result.advice.empty());
    }
    CHECK(missed >= 2);
    // Without the mode there is nothing to miss; and values that know nothing of a mode that the draws see
    // are no reason against these.
    CHECK(run(0.0, 0.0, 20).plan.plain());
    const auto seen = run(0.3, 0.0, 20);
    CHECK(seen.plan.plain());
    CHECK(std::abs(seen.log_z - log_z(0.3)) < 0.3);
}

TEST_CASE("nothing is chosen where there is no pilot, or more than a value") {
    const auto easy = along<double>(0.5);
    const auto none = [](const auto& result) { return !result.plan.plain() && result.plan.reason.empty(); };
    CHECK(none(by_draws(easy, {.particles = 100, .steps = 4, .pilot_particles = 0})(context, philox{4})));
    CHECK(none(by_draws(easy, {.particles = 100, .steps = 4, .log_delta = 0.0})(context, philox{4})));
    CHECK(none(by_draws(easy, {.particles = 100, .steps = 4, .threshold = 0.0})(context, philox{4})));
    CHECK(none(by_draws(easy, {.particles = 100, .steps = 1})(context, philox{4})));
    const exact_posterior draws{normal<batch>(context)};
    smc moving{ddpm_posterior_kernel{draws}, posterior_value{draws, easy},
               smc_options{.particles = 100, .steps = 4}, diamond::systematic{}, diamond::crank_nicolson{}};
    CHECK(none(moving(context, philox{4})));
}

// 20,000 runs each, bounds of 3 standard errors: one false alarm in 90 of these five checks, and the seed is
// fixed.
TEST_CASE("Z-hat and the particles are unbiased by every plan, and by the choice between them") {
    // Some 9 of 24 draws: the pilot's effective sample size is at times 10, and at times not.
    auto sampler = by_draws(along<double>(1.0), {.particles = 24, .steps = 4}, 3);
    std::vector<double> all, plain_runs, smc_runs, means;
    for (std::uint64_t run = 0; run < 20000; ++run) {
        const auto result = sampler(context, philox{5}.split(run));
        const double ratio = std::exp(result.log_z - 0.5);
        all.push_back(ratio);
        (result.plan.plain() ? plain_runs : smc_runs).push_back(ratio);
        const auto x = to_host(result.particles);
        const auto w = result.weights();
        double mean = 0.0;
        for (std::size_t j = 0; j < w.size(); ++j) mean += w[j] * x[2 * j];
        if (result.plan.plain()) means.push_back(ratio * mean);
    }
    CHECK(plain_runs.size() > 5000);
    CHECK(smc_runs.size() > 5000);
    for (const auto* runs : {&all, &plain_runs, &smc_runs, &means}) {
        const auto mean = statistics::average(*runs);
        MESSAGE(runs->size(), " runs: ", mean.value, " +- ", mean.standard_error);
        CHECK(statistics::within(mean, 1.0));
        CHECK(mean.standard_error < 0.01);
    }
    // Blind runs, where the pilot has seen little: many find nothing, and count as 0.
    auto rare = by_draws(behind(1.5), {.particles = 8, .steps = 3});
    std::vector<double> found;
    index_t blind = 0;
    const double probability = 0.5 * std::erfc(1.5 / std::sqrt(2.0));
    for (std::uint64_t run = 0; run < 20000; ++run) {
        bool plain = false;
        found.push_back(std::exp(log_z_of(rare, run, plain)) / probability);
        blind += plain;
    }
    CHECK(blind > 19900); // and of the others five of the eight values are finite
    CHECK(statistics::within(statistics::average(found), 1.0));
}

TEST_CASE("negative control: a choice by the run's own draws is biased") {
    // Own draws are taken where their effective sample size is 10, others where it is not.
    std::vector<double> ratios;
    const auto model = normal<batch>(context);
    batch z(context, 2, 48);
    for (std::uint64_t run = 0; run < 20000; ++run) {
        model.draw(philox{6}.split(run).stream(purpose::data), z.mutable_view());
        std::vector<double> rewards;
        for (index_t j = 0; j < 48; ++j) rewards.push_back(z.data()[2 * j]);
        const auto own = diamond::detail::sum_weights(rewards.data(), 24, false),
                   others = diamond::detail::sum_weights(rewards.data() + 24, 24, false);
        ratios.push_back(std::exp((own.ess() >= 10.0 ? own : others).log_mean(24) - 0.5));
    }
    const auto mean = statistics::average(ratios);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error);
    CHECK(mean.value < 1.0 - 10.0 * mean.standard_error);
}

TEST_CASE("the stated error of plain weights is what log Z is off by") {
    auto sampler = by_draws(along<double>(0.8), {.particles = 300, .steps = 5}, 2);
    double squares = 0.0, together = 0.0;
    for (std::uint64_t run = 0; run < 400; ++run) {
        const auto result = sampler(context, philox{7}.split(run));
        REQUIRE(result.plan.plain());
        squares += square((result.log_z - 0.32) / result.log_z_standard_error) / 400.0;
        // exp(0.64) - 1 by the number of draws, whatever places they came to.
        together += result.plan.relative_variance * static_cast<double>(result.plan.draws) / 400.0;
    }
    CHECK(squares == doctest::Approx(1.0).epsilon(0.25)); // 400 squares: within 7 %
    CHECK(together == doctest::Approx(std::expm1(0.64)).epsilon(0.1));
}

TEST_CASE("the relative variance is that of all draws, in whatever order they come") {
    const std::vector<double> first{-infinity, -800.0, 3.0}, block{1.0, 700.0, -infinity, 701.0, 2.0};
    diamond::detail::plain_weights weights(first);
    static_cast<void>(weights.add(block, 1, philox{1}.stream(purpose::resampling)));
    auto all = first;
    all.insert(all.end(), block.begin(), block.end());
    const double ess = diamond::detail::sum_weights(all.data(), 8, false).ess();
    CHECK(weights.relative_variance() == doctest::Approx((8.0 / ess - 1.0) / 7.0).epsilon(1e-12));
    CHECK(std::isinf(diamond::detail::plain_weights({-infinity, -infinity}).relative_variance()));
    CHECK(std::isnan(diamond::detail::plain_weights({0.5}).relative_variance()));
}

namespace {
/// Counts the calls of the kernel's draws.
template <class Kernel>
struct counted : Kernel {
    std::vector<index_t>* calls; ///< the columns of each
    counted(Kernel kernel, std::vector<index_t>& of) : Kernel(std::move(kernel)), calls(&of) {}
    void operator()(diamond::const_view_t<batch> x, diamond::interval span, const diamond::no_condition& c,
                    diamond::noise_stream stream, diamond::view_t<batch> out) {
        calls->push_back(x.columns());
        Kernel::operator()(x, span, c, stream, out);
    }
};
} // namespace

TEST_CASE("few particles make their further draws in large calls") {
    const exact_posterior draws{normal<batch>(context)};
    std::vector<index_t> calls;
    const counted kernel{ddpm_posterior_kernel{draws}, calls};
    smc sampler{kernel, posterior_value{draws, along<double>(0.5), {.samples = 400}},
                smc_options{.particles = 16, .steps = 8, .pilot_particles = 16, .pilot_share = 4.0}};
    const auto result = sampler(context, philox{13});
    REQUIRE(result.plan.draws > 4096);
    CHECK(*std::max_element(calls.begin(), calls.end()) == 4096);
    CHECK(calls.size() < 100);
    // 5,600 draws or so of variance exp(0.25) - 1.
    CHECK(std::abs(result.log_z - 0.125) < 4.0 * result.log_z_standard_error);
    CHECK(result.log_z_standard_error < 0.02);
}

TEST_CASE("only where all draws are forbidden are the weights dead") {
    auto never = by_draws(behind(9.0), {.particles = 40, .steps = 4}, 2);
    CHECK_THROWS_AS(never(context, philox{8}), diamond::dead_weights);
    auto state = never.start(context, philox{8});
    while (state.step() < 3) never.step(state);
    const auto before = state.snapshot();
    for (int attempt = 0; attempt < 2; ++attempt) CHECK_THROWS_AS(never.step(state), diamond::dead_weights);
    CHECK(state.snapshot().particles == before.particles);
    CHECK(state.snapshot().log_weights == before.log_weights);
    // Here the first N draws may all be forbidden, and a later one is not.
    auto seldom = by_draws(behind(2.2), {.particles = 20, .steps = 8}, 16);
    index_t alive = 0;
    for (std::uint64_t run = 0; run < 60; ++run) {
        bool plain = false;
        alive += log_z_of(seldom, run, plain) > -infinity;
    }
    CHECK(alive > 50); // of 257 draws 1.4 % are allowed; of the first 20 a quarter of the runs have one
}

TEST_CASE("a plain run goes on from any step, from memory and from a file, bit for bit") {
    const auto make = [] { return by_draws(along<double>(1.0), {.particles = 90, .steps = 4}, 5); };
    auto sampler = make();
    const auto whole = sampler(context, philox{9});
    REQUIRE(whole.plan.draws > 180);
    const diamond_test::scratch folder;
    const auto path = folder / "run.safetensors";
    auto state = sampler.start(context, philox{9});
    for (;; sampler.step(state)) {
        CAPTURE(state.step());
        diamond::io::save_snapshot(path, state.snapshot(), "a plan's");
        auto other = make();
        check_same(other(context, philox{9}, diamond::io::load_snapshot<double>(path, "a plan's")), whole);
        for (const double draws : {-1.0, 7.0, 9.1e15, 0.0}) {
            auto spoilt = state.snapshot();
            spoilt.plan.draws = static_cast<index_t>(draws);
            if (draws == 0.0 && !state.done()) continue; // SMC from here on, as an older file says
            CHECK_THROWS_WITH_AS(sampler.resume(context, philox{9}, spoilt), Contains("plan."),
                                 std::invalid_argument);
        }
        auto spoilt = state.snapshot();
        spoilt.plan.relative_variance = state.done() ? NAN : 0.1;
        CHECK_THROWS_WITH_AS(sampler.resume(context, philox{9}, spoilt), Contains("plan.relative_variance"),
                             std::invalid_argument);
        if (state.done()) break;
    }
    check_same(sampler.finish(std::move(state)), whole);
}

TEST_CASE("a plain run of one draw is saved and goes on, without a variance") {
    auto sampler = by_draws(behind(0.0), {.particles = 1, .steps = 2});
    for (std::uint64_t run = 0;; ++run) {
        REQUIRE(run < 100);
        bool plain = false;
        if (log_z_of(sampler, run, plain) == -infinity || !plain) continue;
        auto state = sampler.start(context, philox{31}.split(run));
        while (!state.done()) sampler.step(state);
        CHECK(state.plan.draws == 1);
        auto saved = state.snapshot();
        CHECK(std::isnan(saved.plan.relative_variance));
        check_same(sampler(context, philox{31}.split(run), saved), sampler.finish(std::move(state)));
        saved.plan.relative_variance = 0.1;
        CHECK_THROWS_WITH_AS(sampler.resume(context, philox{31}.split(run), saved),
                             Contains("plan.relative_variance"), std::invalid_argument);
        break;
    }
}

namespace {
/// Draws z | x_t, whatever the condition.
class under_any_condition {
public:
    using batch_type = batch;
    using condition_type = diamond::condition_vectors<batch>;
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return draws_.spent(); }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(diamond::const_view_t<batch> x, double t, const condition_type&,
                    diamond::noise_stream stream, diamond::view_t<batch> out) {
        draws_(x, t, {}, stream, out);
    }

private:
    exact_posterior<mixture_of<batch>> draws_{normal<batch>(context)};
};
/// r(z | c) = c, a number of the condition.
struct of_condition {
    using condition = diamond::condition_vectors<batch>;
    void operator()(diamond::const_view_t<batch> z, const condition& c, diamond::row_t<batch> values) const {
        for (index_t j = 0; j < z.columns(); ++j) values[j] = c(0, j);
    }
};
} // namespace

TEST_CASE("of one condition a column the pilot takes some of all columns") {
    // r = 1 in the first half of the columns, 0 in the second.
    std::vector<double> rewards(2000, 0.0);
    std::fill_n(rewards.begin(), 1000, 1.0);
    const auto given = diamond::from_host(context, 1, 2000, rewards);
    const under_any_condition draws;
    smc sampler{ddpm_posterior_kernel{draws}, posterior_value{draws, of_condition{}, {.samples = 1}},
                smc_options{.particles = 2000, .steps = 3}};
    const auto state = sampler.start(context, philox{12}, diamond::condition_vectors<batch>(given.read()));
    CHECK(state.pilot.draws == 512);
    CHECK(state.pilot.log_z == doctest::Approx(std::log(0.5 * (std::exp(1.0) + 1.0))).epsilon(1e-12));
}

TEST_CASE_TEMPLATE("plain weights are the same on every back end, for any number of threads", back,
                   ALL_BACK_ENDS) {
    using real = typename back::real;
    const auto run = []<class Back>(std::type_identity<Back>, int threads) {
        const auto where = Back::make(threads);
        const exact_posterior draws{normal<typename Back::batch>(where)};
        smc sampler{ddpm_posterior_kernel{draws},
                    posterior_value{draws, along<typename Back::real>(0.7), {.samples = 2}},
                    smc_options{.particles = 200, .steps = 4}};
        auto result = sampler(where, philox{10});
        REQUIRE(result.plan.draws > 300);
        return std::pair{result.log_z, to_host(result.particles)};
    };
    const auto expected = run(std::type_identity<back_ends::eigen<real>>{}, 1),
               found = run(std::type_identity<back>{}, 2);
    CHECK(std::abs(found.first - expected.first) < back::tolerance);
    CHECK(statistics::largest_error(found.second, expected.second) < 10.0 * back::tolerance);
}

} // namespace align_smc_plan_test
