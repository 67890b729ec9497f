/// Many problems in one call: each group of columns has the result of its own run of smc, bit for bit where
/// its parts promise that, whatever the other groups do.
#include <string>
#include <vector>

#include <diamond/align/grouped_smc.hpp>
#include <diamond/align/value_guided_kernel.hpp>
#include <diamond/density/exact_density.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/reward/grouped_reward.hpp>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_grouped_smc_test {

using namespace cases;
using diamond::condition_by_group, diamond::condition_vectors, diamond::ddpm_posterior_kernel,
    diamond::exact_posterior, diamond::grouped_reward, diamond::grouped_smc, diamond::labels,
    diamond::posterior_value, diamond::smc, diamond::smc_options;
using doctest::Contains, std::invalid_argument;

namespace {

const std::vector<philox> rngs{{11}, {12}, {13}};
const smc_options options{
    .particles = 100, .steps = 6, .threshold = 0.7, .plain_ratio = 0.0, .record_ancestors = true};

/// A gentle reward, a strong one, and one that forbids much.
template <class Real>
std::vector<form_reward<Real>> three_rewards() {
    auto walled = tilt_2d<Real>();
    walled.wall = 0.5;
    return {tilt_2d<Real>(0.5), bowl_2d<Real>(4.0), walled};
}
using batch = diamond::eigen::batch<double>;
const diamond::eigen::context host{.threads = 2};

template <class Reward>
auto value_of(const Reward& reward) {
    return posterior_value{exact_posterior{mixture<batch>(host)}, reward, {.samples = 2}};
}
/// The mixture in the plane by DDPM transitions, with rewards by group; and one group of it alone.
auto together(const std::vector<form_reward<double>>& rewards, const smc_options& chosen = options) {
    return grouped_smc{ddpm_posterior_kernel{exact_posterior{mixture<batch>(host)}},
                       value_of(grouped_reward{rewards}), chosen};
}
auto alone(const form_reward<double>& reward, const smc_options& chosen = options) {
    return smc{ddpm_posterior_kernel{exact_posterior{mixture<batch>(host)}}, value_of(reward), chosen};
}
template <class Found>
void check_own_runs(const Found& found, const std::vector<form_reward<double>>& rewards,
                    const smc_options& chosen = options) {
    REQUIRE(found.size() == rewards.size());
    for (std::size_t g = 0; g < found.size(); ++g) {
        CAPTURE(g);
        check_same(found[g], alone(rewards[g], chosen)(host, rngs[g]));
    }
}

} // namespace

TEST_CASE_TEMPLATE("each group has the result of its own run: noise, pilot, weights, ancestors and log Z",
                   back, BACK_ENDS) {
    const auto context = back::make(1);
    const exact_posterior draws{mixture<typename back::batch>(context)};
    const ddpm_posterior_kernel kernel{draws};
    auto rewards = three_rewards<typename back::real>();
    rewards.push_back(rewards[0]); // and one that lets nothing live
    rewards[3].wall = 1e6;
    auto generators = rngs;
    generators.push_back(philox{14});

    grouped_smc all{kernel, posterior_value{draws, grouped_reward{rewards}, {.samples = 2}}, options};
    const auto found = all(context, generators);
    REQUIRE(found.size() == 4);
    CHECK(found[3].log_z == -infinity);
    CHECK(found[3].warnings.size() == 1);
    std::vector<std::vector<bool>> resampled;
    for (std::size_t g = 0; g < 3; ++g) {
        CAPTURE(g);
        smc one{kernel, posterior_value{draws, rewards[g], {.samples = 2}}, options};
        check_same(found[g], one(context, rngs[g]));
        resampled.emplace_back();
        for (const auto& step : found[g].steps) resampled.back().push_back(step.resampled);
    }
    // They resample at steps of their own.
    CHECK(resampled[0] != resampled[1]);
    CHECK(std::count(resampled[1].begin(), resampled[1].end(), true) >= 2);
}

TEST_CASE("a stream of groups has the numbers of each group's own, by words, normals and pairs") {
    const auto seeds = diamond::from_host(host, 1, 3, std::vector<std::uint64_t>{5, 6, 7});
    const diamond::grouped_philox all{seeds.data(), 10, 5};
    for (const index_t rows : {1, 3, 64})
        for (const index_t samples : {1, 4}) {
            auto stream = all.stream(purpose::value, 3, samples);
            stream.antithetic = true;
            batch joined(host, rows, 30 * samples), own(host, rows, 10 * samples);
            diamond::draw_normal(stream, joined.mutable_view());
            for (index_t g = 0; g < 3; ++g) {
                auto of_one = philox{5 + static_cast<std::uint64_t>(g)}.stream(purpose::value, 3, samples);
                of_one.antithetic = true;
                diamond::draw_normal(of_one, own.mutable_view());
                CHECK(numbers::same_bits(
                    diamond::to_host(joined.read().columns(10 * samples * g, 10 * samples)),
                    diamond::to_host(own)));
                for (const index_t j : {index_t{0}, 10 * samples - 1}) {
                    CHECK(stream.words(10 * samples * g + j, 2) == of_one.words(j, 2));
                    CHECK(stream.choices().uniform(10 * samples * g + j) == of_one.choices().uniform(j));
                }
            }
        }
}

TEST_CASE("options of every kind: pilots of several rounds, no values, one step, a floor, plain weights") {
    const auto rewards = three_rewards<double>();
    std::vector<smc_options> all(7, options);
    all[0].pilot_particles = 16; // the groups' pilots end after rounds of their own
    all[1].threshold = 0.0;
    all[2].steps = 1;
    all[3].value_floor = -3.0;
    all[4].log_delta = -infinity;
    all[5].plain_ratio = 0.45; // the second group is SMC then, the others are plain weights
    all[6].plain_ratio = 100.0;
    all[6].particles = 99;
    for (const auto& chosen : all) check_own_runs(together(rewards, chosen)(host, rngs), rewards, chosen);

    const auto found = together(rewards, all[0])(host, rngs);
    CHECK(found[0].pilot.draws != found[1].pilot.draws);
    CHECK(found[1].pilot.ess == alone(rewards[1], all[0])(host, rngs[1]).pilot.ess);
    const auto mixed = together(rewards, all[5])(host, rngs);
    CHECK(mixed[0].plan.draws > 200);
    CHECK(mixed[1].plan.draws == 0);
    CHECK(mixed[2].plan.draws > 200);
}

TEST_CASE("with generators exchanged the groups have the runs of these, so that the seeds are seen") {
    const auto rewards = three_rewards<double>();
    const std::vector<philox> exchanged{rngs[1], rngs[0], rngs[2]};
    const auto found = together(rewards)(host, rngs), other = together(rewards)(host, exchanged);
    check_same(found[2], other[2]);
    for (const std::size_t g : {0U, 1U}) {
        CHECK(found[g].log_z != other[g].log_z);
        CHECK_FALSE(
            numbers::same_bits(diamond::to_host(found[g].particles), diamond::to_host(other[g].particles)));
    }
}

TEST_CASE("a group that dies says so, and the others go on") {
    auto rewards = three_rewards<double>();
    rewards[1].wall = 1e6; // nothing is allowed
    for (const double threshold : {0.7, 2.0, 0.0}) {
        auto chosen = options;
        chosen.threshold = threshold;
        const auto found = together(rewards, chosen)(host, rngs);
        for (const std::size_t g : {0U, 2U}) check_same(found[g], alone(rewards[g], chosen)(host, rngs[g]));
        std::string sentence;
        try {
            alone(rewards[1], chosen)(host, rngs[1]);
        } catch (const diamond::dead_weights& error) {
            sentence = error.what();
        }
        const auto& dead = found[1];
        CHECK(dead.warnings == std::vector<std::string>{sentence});
        CHECK(sentence.find("all weights are zero") != std::string::npos);
        CHECK_FALSE(dead.reliable);
        CHECK(dead.complete);
        CHECK(dead.log_z == -infinity);
        CHECK(std::isnan(dead.log_z_standard_error));
        CHECK(std::isnan(dead.ess));
        // As one of several islands it counts as the zero that it is.
        const auto all = diamond::combine_islands(found);
        CHECK(all.shares[1] == 0.0);
        CHECK(all.log_z < std::max(found[0].log_z, found[2].log_z));
    }
}

TEST_CASE("a group that dies in the midst of a run") {
    // Values are finite before the last step, but the ratios of a guided kernel may be 0.
    struct ends_second : ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>> {
        using plain = ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>>;
        using plain::plain;
        [[nodiscard]] const plain& kernel() const { return *this; }
        void operator()(const_view x, diamond::interval span, const diamond::no_condition& c,
                        diamond::noise_stream stream, view out, diamond::row_t<batch> log_ratio) {
            plain::operator()(x, span, c, stream, out);
            assign(log_ratio, 0.0);
            if (span.to > 0.4 && x.columns() == 300)
                for (index_t j = 100; j < 200; ++j) log_ratio[j] = -infinity;
        }
    };
    const auto rewards = three_rewards<double>();
    const ends_second kernel{exact_posterior{mixture<batch>(host)}};
    grouped_smc all{kernel, value_of(grouped_reward{rewards}), options};
    const auto found = all(host, rngs);
    CHECK(found[1].log_z == -infinity);
    REQUIRE(found[1].warnings.size() == 1);
    CHECK(found[1].warnings[0].find("(step 3)") != std::string::npos);
    for (std::size_t k = 0; k < 6; ++k) {
        CHECK(std::isnan(found[1].steps[k].ess) == (k >= 2));
        if (k >= 2) CHECK_FALSE(found[1].steps[k].resampled);
    }
    for (const std::size_t g : {0U, 2U}) {
        smc one{kernel, value_of(rewards[g]), options};
        check_same(found[g], one(host, rngs[g]));
    }
}

TEST_CASE("saved groups go on to the same bits, together or one of them alone") {
    const auto rewards = three_rewards<double>();
    auto chosen = options;
    chosen.plain_ratio = 0.45; // some are plain weights, and draw more at the last step
    auto sampler = together(rewards, chosen);
    const auto expected = sampler(host, rngs);
    auto state = sampler.start(host, rngs);
    for (index_t k = 0; k < 5; ++k) {
        CHECK(state.step() == k);
        const auto saved = state.snapshot();
        const auto found = together(rewards, chosen)(host, rngs, saved);
        for (std::size_t g = 0; g < 3; ++g) check_same(found[g], expected[g]);
        check_same(alone(rewards[1], chosen)(host, rngs[1], saved[1]), expected[1]);
        sampler.step(state);
    }
    auto saved = state.snapshot();
    saved[2] = together(rewards, chosen).start(host, rngs).snapshot()[2];
    CHECK_THROWS_WITH_AS(static_cast<void>(sampler.resume(host, rngs, saved)),
                         Contains("the snapshot of group 2 is of step 0, that of group 0 of step 5"),
                         invalid_argument);
    saved.pop_back();
    CHECK_THROWS_WITH_AS(static_cast<void>(sampler.resume(host, rngs, saved)),
                         Contains("2 snapshots for 3 generators"), invalid_argument);
}

TEST_CASE("kernels that carry weights do so group by group") {
    const std::vector<form_reward<double, 3>> rewards{bowl_3d<double>(), bowl_3d<double>(3.0)};
    const gaussian_of<batch> wrong{
        host, {}, {0.2, -0.8, 0.9}, {2.05, 0.75, -0.3, 0.75, 1.0, 0.15, -0.3, 0.15, 0.475}};
    const std::vector<philox> two{{3}, {4}};
    const auto check = [&](const auto& kernel_of) {
        grouped_smc all{kernel_of(grouped_reward{rewards}),
                        posterior_value{exact_posterior{wrong}, grouped_reward{rewards}, {.samples = 2}},
                        options};
        const auto found = all(host, two);
        for (std::size_t g = 0; g < 2; ++g) {
            smc one{kernel_of(rewards[g]),
                    posterior_value{exact_posterior{wrong}, rewards[g], {.samples = 2}}, options};
            check_same(found[g], one(host, two[g]));
        }
    };
    const diamond::early_stop_kernel kernel{diamond::gaussian_diamond_map{wrong}};
    check([&](const auto&) {
        return diamond::corrected_kernel{
            kernel, diamond::exact_density{diamond::linear_schedule{}, gaussian<batch>(host)}};
    });
    check([&](const auto& reward) { // whose guide sees the rewards by group
        return diamond::value_guided_kernel{
            kernel, posterior_value{exact_posterior{wrong}, reward, {.samples = 4}}, {.variance = 0.5}};
    });
}

namespace {
/// r(z | c) = c . z for two numbers of the vector, and z_0 times the label.
struct along_condition {
    using condition = diamond::label_and_vector<batch>;
    void operator()(diamond::const_view_t<batch> z, const condition& c, diamond::row_t<batch> values) const {
        for (index_t j = 0; j < z.columns(); ++j)
            values[j] = c.vector(0, j) * z(0, j) + c.vector(1, j) * z(1, j) + 0.5 * c.label[j] * z(0, j);
    }
};
} // namespace

TEST_CASE("conditions, one a group, one a column or one for all, of a network and of rewards") {
    using network = diamond::diamond_mlp<batch, diamond::linear_schedule>;
    const network layers{{},
                         diamond::gaussian_frame<batch>(host, {{0.1, -0.2}, {1.0, 0.5}, {}}),
                         diamond::gaussian_frame<batch>(host, {{0.0, 0.0}, {1.0, 1.0}, {}}),
                         {.mlp = {.width = 24, .blocks = 2}, .classes = 3}};
    batch theta(host, layers.parameters(), 1);
    diamond::draw_normal(philox{8}.stream(purpose::user), theta.mutable_view());
    assign(theta, 0.2 * theta);
    const diamond::network_diamond_map map{diamond::trained_network{layers, std::move(theta)}};
    const diamond::early_stop_kernel kernel{map};
    const diamond::diamond_map_posterior draws{map};

    using condition = diamond::label_and_vector<batch>;
    const std::vector<std::int32_t> classes{2, 0, 1};
    const auto label_of = diamond::from_host(host, 1, 3, classes);
    const auto vector_of = diamond::from_host(host, 2, 3, std::vector<double>{0.5, 1, -1, 0.2, 0.3, -0.8});
    const condition of_groups{labels(label_of.data()), condition_vectors<batch>(vector_of.read())};
    // The same, one for each of the 300 particles.
    diamond::condition_store<condition, diamond::eigen::context> store;
    const condition of_columns = store.repeat(host, of_groups, 3, 100);

    const std::vector<along_condition> each(3);
    grouped_smc all{kernel, posterior_value{draws, along_condition{}, {.samples = 2}}, options};
    grouped_smc by_group{kernel, posterior_value{draws, grouped_reward{each}, {.samples = 2}}, options};
    smc one{kernel, posterior_value{draws, along_condition{}, {.samples = 2}}, options};
    const auto found = all(host, rngs, condition_by_group{of_groups});
    const auto given = all(host, rngs, of_columns), rewarded = by_group(host, rngs, of_columns);
    for (std::size_t g = 0; g < 3; ++g) {
        CAPTURE(g);
        const auto own = one(host, rngs[g], of_columns.columns(100 * static_cast<index_t>(g), 100));
        check_same(found[g], own);
        check_same(given[g], own);
        check_same(rewarded[g], own);
        // One condition for all columns enters the network by another way, the same to rounding.
        const condition broadcast{
            labels(classes[g]),
            condition_vectors<batch>::for_all(vector_of.read().columns(static_cast<index_t>(g), 1))};
        CHECK(std::abs(one(host, rngs[g], broadcast).log_z - own.log_z) < 1e-10);
    }
    // A group does not run under another's condition.
    CHECK(one(host, rngs[0], of_columns.columns(100, 100)).log_z != found[0].log_z);
    const condition for_all{labels(1), condition_vectors<batch>::for_all(vector_of.read().columns(2, 1))};
    const auto shared = all(host, rngs, for_all);
    for (std::size_t g = 0; g < 3; ++g) check_same(shared[g], one(host, rngs[g], for_all));
}

TEST_CASE("what no groups can be made of is refused, with the numbers") {
    const auto rewards = three_rewards<double>();
    auto sampler = together(rewards);
    const std::vector<philox> none, two{{1}, {2}};
    CHECK_THROWS_WITH_AS(sampler(host, none), Contains("SMC of no groups"), invalid_argument);
    CHECK_THROWS_WITH_AS(sampler(host, two), Contains("rewards of 3 groups for 2 generators"),
                         invalid_argument);
    CHECK_THROWS_WITH_AS(grouped_reward{std::vector<form_reward<double>>{}},
                         Contains("rewards by group: at least one is needed"), invalid_argument);
    batch z(host, 2, 7);
    diamond::rebind_t<batch, double> values(host, 1, 7);
    grouped_reward by_group{rewards};
    CHECK_THROWS_WITH_AS(by_group(z.read(), diamond::no_condition{}, row(values)),
                         Contains("rewards of 3 groups for 7 columns"), invalid_argument);
    auto huge = options;
    huge.particles = INT32_MAX;
    CHECK_THROWS_WITH_AS(together(rewards, huge)(host, rngs), Contains("groups of SMC of 6442450941"),
                         invalid_argument);
    // Values that other groups would be seen in.
    const exact_posterior draws{mixture<batch>(host)};
    CHECK_THROWS_WITH_AS(
        (grouped_smc{ddpm_posterior_kernel{draws},
                     posterior_value{draws, rewards[0], {.samples = 2, .fixed_noise = true}}, options}),
        Contains("groups share the calls of the value estimator"), invalid_argument);
}

} // namespace align_grouped_smc_test
