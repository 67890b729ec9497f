/// Bad input: a clear error each, with the numbers in it, and the state as it was.
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_bad_input_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::numeric_error,
    diamond::posterior_value, diamond::smc, diamond::smc_options;
using doctest::Contains, std::invalid_argument;

namespace {

using batch = diamond::eigen::batch<double>;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

/// A reward that misbehaves at one particle of one call, until it is mended.
struct trouble {
    int calls = 0, at_call = -1;
    index_t particle = 0;
    double value = no_number;
    bool throws = false;
};
struct troubled_reward {
    form_reward<double> right;
    trouble* what;
    void operator()(diamond::const_view_t<batch> z, diamond::row_t<batch> values) const {
        const bool now = what->calls++ == what->at_call;
        if (now && what->throws) throw std::domain_error("the camera is broken");
        for (index_t j = 0; j < z.columns(); ++j)
            values[j] = now && j == what->particle ? what->value : right(z.column(j));
    }
};
/// An estimate that is not one.
struct bad_value {
    using batch_type = diamond::eigen::batch<double>;
    form_reward<double> reward_;
    double value;
    [[nodiscard]] index_t dimension() const { return 2; }
    form_reward<double>& reward() { return reward_; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    void operator()(diamond::const_view_t<batch> x, double t, diamond::no_condition, diamond::noise_stream,
                    diamond::value_rows<diamond::backend_of_t<batch_type>> values) const {
        for (index_t j = 0; j < x.columns(); ++j) values.value[j] = j == 4 && t > 0.4 ? value : 0.0;
    }
    void guidance(diamond::const_view_t<batch>, double, diamond::no_condition, diamond::noise_stream,
                  diamond::view_t<batch>) const {}
};

struct parts {
    diamond::eigen::context context{.threads = 1};
    mixture_of<batch> model = mixture<batch>(context);
    exact_posterior<mixture_of<batch>> draws = exact_posterior<mixture_of<batch>>(model);
    ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>>
        kernel = ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>>(draws);

    template <class Reward>
    auto value(Reward r, index_t samples = 2) const {
        return posterior_value<exact_posterior<mixture_of<batch>>, Reward>(draws, r, {.samples = samples});
    }
};

/// What is thrown, with all that is nested in it.
struct report {
    std::string text;
    long step = -2, particle = -2;
    std::vector<std::string> nested;
};
void unwrap(const std::exception& error, report& into) {
    into.nested.emplace_back(error.what());
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception& inner) {
        unwrap(inner, into);
    }
}
template <class F>
report failure(const F& f) {
    report result;
    try {
        f();
    } catch (const numeric_error& error) {
        result.text = error.what();
        result.step = error.step();
        result.particle = error.particle();
        unwrap(error, result);
    }
    return result;
}

/// Every driver on the same grid and particles; what they share is refused by all.
template <class Check>
void for_every_driver(const parts& p, const Check& check) {
    const auto v = p.value(tilt_2d<double>());
    check("chain", [&](index_t n, index_t steps, const std::vector<double>& times) {
        diamond::chain c(p.kernel, {.particles = n, .steps = steps, .times = times});
    });
    check("smc", [&](index_t n, index_t steps, const std::vector<double>& times) {
        smc s(p.kernel, v, smc_options{.particles = n, .steps = steps, .times = times});
    });
    check("guidance", [&](index_t n, index_t steps, const std::vector<double>& times) {
        diamond::guidance g(p.model, v, {.particles = n, .steps = steps, .times = times});
    });
    check("best of N", [&](index_t n, index_t steps, const std::vector<double>& times) {
        diamond::best_of_n b(p.kernel, tilt_2d<double>(),
                             {.winners = n, .candidates = 2, .steps = steps, .times = times});
    });
    check("beam", [&](index_t n, index_t steps, const std::vector<double>& times) {
        diamond::beam b(p.kernel, v, {.beams = n, .steps = steps, .times = times});
    });
}

} // namespace

TEST_CASE("no particles, no steps, and grids that are none") {
    const parts p;
    for_every_driver(p, [](const char* driver, const auto& make) {
        CAPTURE(driver);
        CHECK_NOTHROW(make(1, 1, {}));
        CHECK_NOTHROW(make(1, 0, {0.0, 0.25, 1.0})); // times win over steps
        CHECK_THROWS_WITH_AS(make(0, 4, {}), Contains("at least 1"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(0, 4, {}), Contains("0 "), invalid_argument);
        CHECK_THROWS_WITH_AS(make(-3, 4, {}), Contains("-3"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 0, {}), Contains("0 steps"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, -2, {}), Contains("-2 steps"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.0, 0.5, 0.4, 1.0}), Contains("t_1 = 0.5, t_2 = 0.4"),
                             invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.0, 0.5, 0.5, 1.0}), Contains("t_1 = 0.5, t_2 = 0.5"),
                             invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.0, no_number, 1.0}), Contains("t_1 = nan"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {no_number, 0.5, 1.0}), Contains("from nan"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.1, 1.0}), Contains("from 0.1"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.0, 0.9}), Contains("to 0.9"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, 4, {0.0}), Contains("a time grid of 1 times"), invalid_argument);
    });
    CHECK_THROWS_WITH_AS(diamond::best_of_n(p.kernel, tilt_2d<double>(), {.winners = 2, .candidates = 0}),
                         Contains("0 candidates"), invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::beam(p.kernel, p.value(tilt_2d<double>()), {.beams = 2, .width = 0}),
                         Contains("width 0"), invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::beam(p.kernel, p.value(tilt_2d<double>()), {.beams = 2, .children = -1}),
                         Contains("-1 children"), invalid_argument);
}

TEST_CASE("kernel and value of different dimensions, options that are no numbers") {
    const parts p;
    const auto solid = gaussian<batch>(p.context);
    const posterior_value other{exact_posterior{solid}, bowl_3d<double>()};
    CHECK_THROWS_WITH_AS(smc(p.kernel, other), Contains("kernel has dimension 2, the value estimator 3"),
                         invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::beam(p.kernel, other),
                         Contains("kernel has dimension 2, the value estimator 3"), invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::guidance(p.model, other),
                         Contains("velocity field has dimension 2, the value estimator 3"), invalid_argument);
    const auto with = [&](const smc_options& options) {
        smc s(p.kernel, p.value(tilt_2d<double>()), options);
    };
    for (const double bad : {-infinity, infinity, no_number}) {
        CHECK_THROWS_WITH_AS(with({.value_floor = bad}), Contains("floor"), invalid_argument);
        CHECK_THROWS_WITH_AS(with({.initial_value = bad}), Contains("V_0"), invalid_argument);
        CHECK_THROWS_WITH_AS(diamond::guidance(p.model, p.value(tilt_2d<double>()), {.strength = bad}),
                             Contains("strength"), invalid_argument);
    }
    CHECK_THROWS_WITH_AS(with({.log_delta = no_number}), Contains("log_delta"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.log_delta = infinity}), Contains("log_delta"), invalid_argument);
    CHECK_NOTHROW(with({.log_delta = -infinity}));
    CHECK_THROWS_WITH_AS(with({.threshold = no_number}), Contains("threshold"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.pilot_particles = -1}), Contains("pilot"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.particles = index_t{INT32_MAX} + 1}), Contains("2147483648"),
                         invalid_argument);
    // Numbers that mean nothing, with the number: what a sum with them would leave of a value, and counts
    // whose products overflow.
    CHECK_THROWS_WITH_AS(with({.threshold = -0.5}), Contains("the threshold is -0.5"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.initial_value = 1e20}), Contains("initial_value, V_0, is 1e+20"),
                         invalid_argument);
    CHECK_THROWS_WITH_AS(with({.initial_value = -1e20}), Contains("is -1e+20"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.value_floor = -1e20}),
                         Contains("value_floor, the floor of values, is -1e+20"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.log_delta = -1e20}), Contains("is -1e+20"), invalid_argument);
    CHECK_NOTHROW(with({.initial_value = 1e9, .value_floor = -1e9, .log_delta = 1e9}));
    const index_t huge = index_t{1} << 62;
    CHECK_THROWS_WITH_AS(with({.pilot_particles = huge}), Contains("a pilot of 4611686018427387904"),
                         invalid_argument);
    CHECK_THROWS_WITH_AS(with({.steps = huge}), Contains("4611686018427387904 steps"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.trust = {.least_ess_share = no_number}}),
                         Contains("trust.least_ess_share is nan"), invalid_argument);
    CHECK_THROWS_WITH_AS(with({.trust = {.largest_miss = -1.0}}), Contains("trust.largest_miss is -1"),
                         invalid_argument);
    for_every_driver(p, [&](const char* driver, const auto& make) {
        CAPTURE(driver);
        CHECK_THROWS_WITH_AS(make(huge, 4, {}), Contains("4611686018427387904"), invalid_argument);
        CHECK_THROWS_WITH_AS(make(4, huge, {}), Contains("4611686018427387904 steps"), invalid_argument);
    });
    CHECK_THROWS_WITH_AS(
        diamond::best_of_n(p.kernel, tilt_2d<double>(), {.winners = 1 << 16, .candidates = 1 << 16}),
        Contains("65536 winners of 65536"), invalid_argument);
    CHECK_THROWS_WITH_AS(
        diamond::beam(p.kernel, p.value(tilt_2d<double>()), {.beams = 1 << 16, .width = 1 << 16}),
        Contains("65536 beams of width 65536"), invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::beam(p.kernel, p.value(tilt_2d<double>()), {.children = huge}),
                         Contains("4611686018427387904 children"), invalid_argument);
    CHECK_THROWS_WITH_AS(p.value(tilt_2d<double>(), huge), Contains("4611686018427387904 samples"),
                         invalid_argument);
}

TEST_CASE("a bad or throwing reward: step and particle are named, the step may be tried again, and nothing "
          "has changed") {
    const parts p;
    const smc_options options{
        .particles = 30, .steps = 5, .threshold = 0.9, .log_delta = -3.0, .record_ancestors = true};
    trouble none;
    smc undisturbed{p.kernel, p.value(troubled_reward{bowl_2d<double>(2.0), &none}), options};
    const auto expected = undisturbed(p.context, philox{1});
    REQUIRE(none.calls == 5);
    for (int call = 0; call < 5; ++call) // one reward call a step
        for (const int kind : {0, 1, 2}) {
            CAPTURE(call);
            CAPTURE(kind);
            const bool last = call == 4;
            trouble what{.at_call = call,
                         .particle = last ? 11 : 2 * 11 + 1,
                         .value = kind == 0 ? no_number : infinity,
                         .throws = kind == 2};
            smc sampler{p.kernel, p.value(troubled_reward{bowl_2d<double>(2.0), &what}), options};
            auto state = sampler.start(p.context, philox{1});
            for (int k = 0; k < call; ++k) sampler.step(state);
            const auto before = state.snapshot();
            const auto error = failure([&] { sampler.step(state); });
            CHECK(error.step == call + 1);
            CHECK(error.particle == (kind == 2 ? -1 : 11));
            CHECK(error.text.find("step " + std::to_string(call + 1)) != std::string::npos);
            if (kind == 2) {
                CHECK(error.text.find("the reward threw: the camera is broken") != std::string::npos);
                REQUIRE(error.nested.size() == 2);
                CHECK(error.nested[1] == "the camera is broken");
            } else {
                CHECK(error.text.find("the reward is NaN or +inf") != std::string::npos);
                CHECK(error.text.find(kind == 0 ? "(here nan)" : "(here inf)") != std::string::npos);
                CHECK(error.text.find("particle 11") != std::string::npos);
            }
            const auto after = state.snapshot();
            CHECK(after.step == before.step);
            CHECK(numbers::same_bits(after.particles, before.particles));
            CHECK(numbers::same_bits(after.values, before.values));
            CHECK(numbers::same_bits(after.log_weights, before.log_weights));
            CHECK(after.families == before.families);
            CHECK(after.steps == before.steps);
            CHECK(after.ancestors == before.ancestors);
            while (!state.done()) sampler.step(state); // mended: the trouble was at that call alone
            check_same(sampler.finish(std::move(state)), expected);

            what.calls = 0; // and the whole run fails as the step does
            CHECK(failure([&] { sampler(p.context, philox{1}); }).step == call + 1);
        }
}

TEST_CASE("a bad reward in the pilot is named, too") {
    const parts p;
    trouble what{.at_call = 0, .particle = 3};
    smc sampler{p.kernel, p.value(troubled_reward{bowl_2d<double>(), &what}),
                smc_options{.particles = 30, .steps = 5}};
    const auto error = failure([&] { sampler(p.context, philox{1}); });
    CHECK(error.step == 5); // the pilot asks for rewards at t = 1 only
    CHECK(error.particle == 3);
}

TEST_CASE("an estimate that is no number") {
    const parts p;
    for (const double value : {no_number, infinity}) {
        smc sampler{p.kernel, bad_value{tilt_2d<double>(), value}, smc_options{.particles = 10, .steps = 4}};
        const auto error = failure([&] { sampler(p.context, philox{1}); });
        CHECK(error.step == 2);
        CHECK(error.particle == 4);
        CHECK(error.text.find("the value estimate is NaN or +infinity") != std::string::npos);
        diamond::beam search{p.kernel,
                             bad_value{tilt_2d<double>(), value},
                             {.beams = 2, .width = 2, .children = 2, .steps = 4}};
        const auto found = failure([&] { search(p.context, philox{1}); });
        CHECK(found.step == 2);
        CHECK(found.particle == 4);
    }
    // -inf for k < K is no error: the floor lifts it.
    smc sampler{p.kernel, bad_value{tilt_2d<double>(), -infinity}, smc_options{.particles = 10, .steps = 4}};
    CHECK_NOTHROW(sampler(p.context, philox{1}));
}

TEST_CASE("a reward that forbids everything: dead weights, and a state that knows it is not done") {
    const parts p;
    auto forbidding = tilt_2d<double>();
    forbidding.wall = 1e6;
    for (const bool with_pilot : {false, true}) {
        smc_options options{.particles = 20, .steps = 4};
        if (!with_pilot) options.log_delta = -infinity;
        smc sampler{p.kernel, p.value(forbidding), options};
        CHECK_THROWS_AS(sampler(p.context, philox{1}), diamond::dead_weights);
        const auto error = failure([&] { sampler(p.context, philox{1}); });
        CHECK(error.step == 4);
        CHECK(error.text.find("all weights are zero") != std::string::npos);

        auto state = sampler.start(p.context, philox{1});
        for (int k = 0; k < 3; ++k) sampler.step(state);
        CHECK_THROWS_AS(sampler.step(state), diamond::dead_weights);
        CHECK_THROWS_AS(sampler.step(state), diamond::dead_weights);
        CHECK(state.step() == 3);
        const auto result = sampler.finish(std::move(state));
        CHECK_FALSE(result.complete);
        CHECK(std::isnan(result.log_z));
    }
    // Some dead, at the end: they stay, with weight 0.
    auto half = tilt_2d<double>();
    half.wall = 0.5;
    smc sampler{p.kernel, p.value(half), smc_options{.particles = 200, .steps = 4}};
    const auto result = sampler(p.context, philox{1});
    for (index_t j = 0; j < 200; ++j)
        CHECK((result.log_weights[static_cast<std::size_t>(j)] == -infinity) ==
              (result.particles.data()[2 * j] < 0.5));
    CHECK(std::isfinite(result.log_z));
    CHECK(std::isfinite(result.steps.back().least_increment));
    CHECK(std::isfinite(result.steps.back().mean_value));
}

TEST_CASE("guidance and search name step and particle") {
    const parts p;
    // Midpoint, M = 2: calls 2 (k - 1) and 2 k - 1 are step k's. Call 5 is in step 3.
    trouble what{.at_call = 5, .particle = 2 * 7};
    diamond::guidance guided{
        p.model, p.value(troubled_reward{bowl_2d<double>(), &what}), {.particles = 30, .steps = 5}};
    const auto error = failure([&] { guided(p.context, philox{1}); });
    CHECK(error.step == 3);
    CHECK(error.particle == 7);
    CHECK(error.text.find("the reward is NaN") != std::string::npos);
    CHECK(error.text.find("(step 3, particle 7)") != std::string::npos);
    CHECK(error.text.find("(step 6") == std::string::npos);
    what = {.at_call = 5, .throws = true};
    const auto thrown = failure([&] { guided(p.context, philox{1}); });
    CHECK(thrown.step == 3);
    CHECK(thrown.nested.back() == "the camera is broken");

    what = {.at_call = 0, .particle = 5};
    diamond::best_of_n best{
        p.kernel, troubled_reward{bowl_2d<double>(), &what}, {.winners = 3, .candidates = 4, .steps = 6}};
    const auto of_best = failure([&] { best(p.context, philox{1}); });
    CHECK(of_best.step == 6);
    CHECK(of_best.particle == 5);

    what = {.at_call = 1, .particle = 2 * 5, .value = infinity};
    diamond::beam search{p.kernel,
                         p.value(troubled_reward{bowl_2d<double>(), &what}),
                         {.beams = 2, .width = 2, .children = 2, .steps = 4}};
    const auto of_beam = failure([&] { search(p.context, philox{1}); });
    CHECK(of_beam.step == 2);
    CHECK(of_beam.particle == 5);
}

TEST_CASE("a snapshot of another run is refused, with the numbers of both") {
    const parts p;
    const auto make = [&](index_t n, index_t steps) {
        return smc{p.kernel, p.value(tilt_2d<double>()),
                   smc_options{.particles = n, .steps = steps, .threshold = 2.0, .log_delta = 0.0}};
    };
    auto sampler = make(20, 4);
    auto state = sampler.start(p.context, philox{1});
    sampler.step(state);
    sampler.step(state);
    const auto saved = state.snapshot();
    auto wider = make(21, 4), shorter = make(20, 1);
    CHECK_THROWS_WITH_AS(wider(p.context, philox{1}, saved),
                         Contains("20 particles and 40 coordinates, this sampler has 21 and 42"),
                         invalid_argument);
    CHECK_THROWS_WITH_AS(shorter(p.context, philox{1}, saved),
                         Contains("step 2 with a trace of 2, this sampler has 1 steps"), invalid_argument);
    const auto spoilt = [&](const auto& spoil) {
        auto copy = saved;
        spoil(copy);
        return sampler(p.context, philox{1}, copy);
    };
    CHECK_NOTHROW(spoilt([](auto&) {}));
    CHECK_THROWS_AS(spoilt([](auto& s) { s.particles.pop_back(); }), invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.values.pop_back(); }), invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.log_weights.push_back(0.0); }), invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.families.clear(); }), invalid_argument);
    CHECK_THROWS_WITH_AS(spoilt([](auto& s) { s.families[3] = 20; }), Contains("particle 20 of 20"),
                         invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.families[3] = -1; }), invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.step = -1; }), invalid_argument);
    CHECK_THROWS_AS(spoilt([](auto& s) { s.steps.pop_back(); }), invalid_argument);
    CHECK_THROWS_WITH_AS(spoilt([](auto& s) { s.ancestors.assign(3, {}); }),
                         Contains("step 2 has ancestors of 3 steps"), invalid_argument);
    CHECK_THROWS_WITH_AS(spoilt([](auto& s) {
                             s.ancestors.assign(1, {0, 1});
                         }),
                         Contains("2 ancestors of 20 particles"), invalid_argument);

    // One without ancestors, resumed by a sampler that records them.
    smc_options recording{
        .particles = 20, .steps = 4, .threshold = 2.0, .log_delta = 0.0, .record_ancestors = true};
    smc recorder{p.kernel, p.value(tilt_2d<double>()), recording};
    const auto result = recorder(p.context, philox{1}, saved);
    REQUIRE(result.ancestors.size() == 4);
    CHECK(result.ancestors[1].empty());
    CHECK(result.ancestors[2].size() == 20);
}

TEST_CASE("a run that is done takes no more steps") {
    const parts p;
    smc sampler{p.kernel, p.value(tilt_2d<double>()), smc_options{.particles = 10, .steps = 2}};
    auto state = sampler.start(p.context, philox{1});
    sampler.step(state);
    sampler.step(state);
    CHECK(state.done());
    CHECK_THROWS_WITH_AS(sampler.step(state), Contains("has taken its last step"), invalid_argument);
    CHECK(sampler.finish(std::move(state)).complete);
}

} // namespace align_bad_input_test
