/// A snapshot with a number that no run has is refused with the number; a snapshot and a state are refused by
/// a sampler or seed that they do not belong to.
#include <functional>

#include <diamond/density/exact_density.hpp>
#include <diamond/map/corrected_kernel.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_smc_snapshot_test {

using namespace cases;
using diamond::exact_posterior, diamond::posterior_value, diamond::smc, diamond::smc_options;
using doctest::Contains, std::invalid_argument;

namespace {

using batch = diamond::eigen::batch<double>;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr index_t particles = 40, steps = 5;

template <class Resampler = diamond::systematic>
auto plain(const diamond::eigen::context& context, const smc_options& options, Resampler resampler = {}) {
    const exact_posterior draws{mixture<batch>(context)};
    return smc{diamond::ddpm_posterior_kernel{draws},
               posterior_value{draws, bowl_2d<double>(2.0), {.samples = 2}}, options, resampler};
}
auto weighted(const diamond::eigen::context& context, const smc_options& options) {
    const diamond::gaussian<batch, diamond::linear_schedule> wrong{
        context, {}, {0.2, -0.8, 0.9}, {2.05, 0.75, -0.3, 0.75, 1.0, 0.15, -0.3, 0.15, 0.475}};
    return smc{diamond::corrected_kernel{
                   diamond::early_stop_kernel{diamond::gaussian_diamond_map{wrong}},
                   diamond::exact_density{diamond::linear_schedule{}, gaussian<batch>(context)}},
               posterior_value{exact_posterior{wrong}, bowl_3d<double>(), {.samples = 2}}, options};
}
/// A run's state after k steps.
template <class Sampler>
auto after(Sampler& sampler, const diamond::eigen::context& context, index_t k) {
    auto state = sampler.start(context, philox{5});
    while (state.step() < k) sampler.step(state);
    return state;
}

using snapshot = diamond::smc_snapshot<double>;
struct spoiling {
    const char* name; ///< that the refusal has
    std::function<void(snapshot&)> spoil;
    index_t from = 0, to = steps; ///< of the steps where it is one
};
/// Numbers of every kind in every place, and what the refusal calls it.
std::vector<spoiling> spoilt() {
    std::vector<spoiling> all;
    const auto add = [&](const char* name, auto of, std::initializer_list<double> numbers, index_t from = 0,
                         index_t to = steps) {
        for (const double bad : numbers)
            all.push_back(
                {name,
                 [=](snapshot& s) { of(s) = static_cast<std::remove_reference_t<decltype(of(s))>>(bad); },
                 from, to});
    };
    const auto not_finite = {no_number, infinity, -infinity};
    add(
        "particles[5] is", [](snapshot& s) -> auto& { return s.particles[5]; }, not_finite);
    add(
        "values[3] is", [](snapshot& s) -> auto& { return s.values[3]; }, not_finite, 0, steps - 1);
    add(
        "values[3] is", [](snapshot& s) -> auto& { return s.values[3]; }, {no_number, infinity}, steps);
    add(
        "values[3] is", [](snapshot& s) -> auto& { return s.values[3]; }, {0.5}, 0, 0);
    add("log_weights[3] is", [](snapshot& s) -> auto& { return s.log_weights[3]; }, {no_number, infinity});
    add(
        "log_weights[3] is", [](snapshot& s) -> auto& { return s.log_weights[3]; }, {-infinity, 0.1, 1e300},
        0, 0);
    add(
        "numbers are not of one run", [](snapshot& s) -> auto& { return s.log_weights[3]; }, {7.0, 1e300}, 2,
        2);
    add(
        "numbers are not of one run", [](snapshot& s) -> auto& { return s.values[3]; }, {1e-3, -1e3, 1e300},
        2, 2);
    add("log_z is", [](snapshot& s) -> auto& { return s.log_z; },
        {no_number, infinity, -infinity, 1e300, -1e300, 1e3, -1e3});
    add("log_delta is", [](snapshot& s) -> auto& { return s.log_delta; }, {no_number, infinity});
    add("resamplings is", [](snapshot& s) -> auto& { return s.resamplings; }, {-1.0, 7.0, 9e18, -9e18});
    add("names particle", [](snapshot& s) -> auto& { return s.families[3]; },
        {-1.0, 40.0, 2147483647.0, -2147483648.0});
    add(
        "families[3] is", [](snapshot& s) -> auto& { return s.families[3]; }, {4.0}, 0, 0);
    add("step -1", [](snapshot& s) -> auto& { return s.step; }, {-1.0});
    add("step 9", [](snapshot& s) -> auto& { return s.step; }, {9e18});
    add("spent.forward is", [](snapshot& s) -> auto& { return s.spent.forward; }, {-1.0, 9e18});
    add("spent.jvp is", [](snapshot& s) -> auto& { return s.spent.jvp; }, {-1.0, 9e18});
    add("spent.vjp is", [](snapshot& s) -> auto& { return s.spent.vjp; }, {-1.0, 9e18});
    add("spent.reward is", [](snapshot& s) -> auto& { return s.spent.reward; }, {-1.0, 9e18});
    add(
        "steps[1].time is", [](snapshot& s) -> auto& { return s.steps[1].time; },
        {no_number, infinity, 0.0, 0.41, -1.0}, 2);
    add(
        "steps[1].ess is", [](snapshot& s) -> auto& { return s.steps[1].ess; },
        {no_number, infinity, 0.0, 41.0, -1.0}, 2);
    add(
        "steps[1].least_increment is", [](snapshot& s) -> auto& { return s.steps[1].least_increment; },
        not_finite, 2);
    add(
        "steps[1].largest_increment is", [](snapshot& s) -> auto& { return s.steps[1].largest_increment; },
        {no_number, infinity, -infinity, -1e9}, 2);
    add(
        "steps[1].largest_share is", [](snapshot& s) -> auto& { return s.steps[1].largest_share; },
        {no_number, infinity, 0.0, 1.1, -0.5}, 2);
    add(
        "steps[1].mean_value is", [](snapshot& s) -> auto& { return s.steps[1].mean_value; }, not_finite, 2);
    add(
        "steps[1].floored is", [](snapshot& s) -> auto& { return s.steps[1].floored; }, {-1.0, 41.0, 9e18},
        2);
    all.push_back(
        {"steps[1].resampled is", [](snapshot& s) { s.steps[1].resampled = !s.steps[1].resampled; }, 2});
    all.push_back(
        {"log_weights are -inf, all", [](snapshot& s) { s.log_weights.assign(particles, -infinity); }, 2, 2});
    return all;
}

} // namespace

TEST_CASE("a number that no run has is refused by name, at every step that it can stand in") {
    const diamond::eigen::context context{.threads = 1};
    for (const double threshold : {0.6, 0.0}) {
        auto sampler = plain(context, {.particles = particles, .steps = steps, .threshold = threshold});
        const auto whole = sampler(context, philox{5});
        CAPTURE(threshold);
        for (index_t k = 0; k <= steps; ++k) {
            const auto saved = after(sampler, context, k).snapshot();
            check_same(sampler(context, philox{5}, saved), whole);
            for (const auto& [name, spoil, from, to] : spoilt()) {
                if (k < from || k > to) continue;
                if (!saved.steps.empty() && saved.steps.back().resampled &&
                    std::string(name).find("of one run") != std::string::npos)
                    continue;
                CAPTURE(name);
                CAPTURE(k);
                auto copy = saved;
                spoil(copy);
                CHECK_THROWS_WITH_AS(sampler.resume(context, philox{5}, copy), Contains(name),
                                     invalid_argument);
            }
        }
    }
    // log_delta where it is given, or there is none
    auto given = plain(context, {.particles = particles, .steps = steps, .log_delta = -2.0});
    auto saved = after(given, context, 2).snapshot();
    saved.log_delta = -2.5;
    CHECK_THROWS_WITH_AS(given.resume(context, philox{5}, saved),
                         Contains("log_delta is -2.5: this sampler's is -2"), invalid_argument);
}

TEST_CASE("ancestors are particles, of steps that resampled, and families are what they make them") {
    const diamond::eigen::context context{.threads = 1};
    auto sampler = plain(
        context, {.particles = particles, .steps = steps, .threshold = 2.0, .record_ancestors = true});
    const auto saved = after(sampler, context, 3).snapshot();
    const auto refusal = [&](const auto& spoil, const char* sentence) {
        auto copy = saved;
        spoil(copy);
        CHECK_THROWS_WITH_AS(sampler.resume(context, philox{5}, copy), Contains(sentence), invalid_argument);
    };
    for (const std::int32_t bad : {-1, 40, INT32_MAX, INT32_MIN})
        refusal([&](auto& s) { s.ancestors[1][7] = bad; }, "ancestors[1][7] is");
    refusal([](auto& s) { s.families[7] = (s.families[7] + 1) % 40; }, "families[7] is");
    auto lazy = plain(context,
                      {.particles = particles, .steps = steps, .threshold = 0.0, .record_ancestors = true});
    auto none = after(lazy, context, 3).snapshot();
    none.ancestors[1].assign(40, 0);
    CHECK_THROWS_WITH_AS(lazy.resume(context, philox{5}, none),
                         Contains("ancestors of step 2, which did not resample"), invalid_argument);
}

TEST_CASE("of a weighted kernel's run, too: densities and what its weights came to") {
    const diamond::eigen::context context{.threads = 1};
    auto sampler = weighted(context, {.particles = particles, .steps = steps, .threshold = 0.0});
    const auto saved = after(sampler, context, 3).snapshot();
    const auto refusal = [&](const auto& spoil, const char* sentence) {
        auto copy = saved;
        spoil(copy);
        CHECK_THROWS_WITH_AS(sampler.resume(context, philox{5}, copy), Contains(sentence), invalid_argument);
    };
    CHECK_NOTHROW(sampler.resume(context, philox{5}, saved));
    for (const double bad : {no_number, infinity})
        refusal([&](auto& s) { s.log_densities[4] = bad; }, "log_densities[4] is");
    for (const double bad : {no_number, infinity, 0.0, 41.0})
        refusal([&](auto& s) { s.steps[2].correction_ess = bad; }, "steps[2].correction_ess is");
    for (const double bad : {no_number, infinity, -infinity})
        refusal([&](auto& s) { s.steps[2].log_mean_correction = bad; }, "steps[2].log_mean_correction is");
}

TEST_CASE("a snapshot and a state belong to a sampler, and a snapshot to a seed; elsewhere they are refused "
          "with both values") {
    const diamond::eigen::context context{.threads = 1};
    const smc_options options{.particles = particles,
                              .steps = steps,
                              .threshold = 0.6,
                              .initial_value = 0.25,
                              .value_floor = -4.0,
                              .log_delta = -3.0};
    auto own = plain(context, options);
    const auto saved = after(own, context, 2).snapshot();
    CHECK_NOTHROW(plain(context, options).resume(context, philox{5}, saved));
    CHECK_THROWS_WITH_AS(own.resume(context, philox{6}, saved),
                         Contains("the run of seed 5, this one is of seed 6"), invalid_argument);

    const auto elsewhere = [&](auto other, const char* sentence, bool as_snapshot = true) {
        CAPTURE(sentence);
        if (as_snapshot)
            CHECK_THROWS_WITH_AS(other.resume(context, philox{5}, saved), Contains(sentence),
                                 invalid_argument);
        auto state = after(own, context, 2);
        CHECK_THROWS_WITH_AS(other.step(state), Contains(sentence), invalid_argument);
        CHECK(state.step() == 2);
        own.step(state); // nothing has happened to it
        CHECK_THROWS_WITH_AS(other.finish(std::move(state)), Contains(sentence), invalid_argument);
    };
    const auto with = [&](const auto& change) {
        auto changed = options;
        change(changed);
        return plain(context, changed);
    };
    elsewhere(with([](auto& o) { o.particles = 41; }), "its particles is 40, this sampler's 41",
              false); // of snapshots the lengths are told
    elsewhere(with([](auto& o) { o.steps = 4; }), "its steps is 5, this sampler's 4");
    elsewhere(with([](auto& o) { o.times = {0.0, 0.2, 0.4, 0.6000000000000001, 0.9, 1.0}; }),
              "its times is 0 0.2 0.4 0.6 0.8 1, this sampler's 0 0.2 0.4 0.6000000000000001 0.9 1");
    elsewhere(with([](auto& o) { o.threshold = 0.7; }), "its threshold is 0.6, this sampler's 0.7");
    elsewhere(with([](auto& o) { o.initial_value = 0.5; }), "its initial_value is 0.25, this sampler's 0.5");
    elsewhere(with([](auto& o) { o.value_floor.reset(); }), "its value_floor is -4, this sampler's none");
    elsewhere(with([](auto& o) { o.log_delta = -2.0; }), "its log_delta is -3, this sampler's -2");
    elsewhere(with([](auto& o) { o.log_delta.reset(); }),
              "its log_delta is -3, this sampler's by a pilot of 512");
    elsewhere(plain(context, options, diamond::residual{}),
              "its resampler is systematic, this sampler's residual");

    // What changes no number is nobody's business.
    CHECK_NOTHROW(with([](auto& o) { o.trust.largest_range = 3.0; }).resume(context, philox{5}, saved));
    CHECK_NOTHROW(with([](auto& o) { o.record_ancestors = true; }).resume(context, philox{5}, saved));

    // a long grid is shown where it differs
    std::vector<double> times(101);
    for (std::size_t k = 0; k <= 100; ++k) times[k] = static_cast<double>(k) / 100.0;
    auto moved = times;
    moved[77] = 0.775;
    auto fine = with([&](auto& o) { o.times = times; });
    auto other = with([&](auto& o) { o.times = moved; });
    CHECK_THROWS_WITH_AS(other.resume(context, philox{5}, fine.start(context, philox{5}).snapshot()),
                         Contains("its times is ... 0.77 0.78"), invalid_argument);

    // and one that has been given away is no state
    auto state = after(own, context, 2);
    CHECK_FALSE(own.finish(std::move(state)).complete);
    CHECK_THROWS_WITH_AS(own.step(state), Contains("moved from"), invalid_argument);
    CHECK_THROWS_WITH_AS(own.resume(context, philox{5}, snapshot{}), Contains("0 particles"),
                         invalid_argument);
}

} // namespace align_smc_snapshot_test
