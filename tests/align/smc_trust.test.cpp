/// What a default run does where values are noise, and what its result says of itself: (eq. smc-relaxation),
/// the pilot, `reliable`, and the advice.
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>

#include "cases.hpp"

namespace align_smc_trust_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options, diamond::exact_value, diamond::square;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// The measurement that few draws know nothing of: N(0, I) in 16 dimensions, eight seen as 1 with s = 0.2.
struct peaked {
    mixture_of<batch> model{context, {}, {1.0}, std::vector<double>(16, 0.0), std::vector<double>(16, 1.0)};
    diamond::gaussian_measurement_reward<diamond::mask_measurement<batch>> reward{
        context, diamond::mask_measurement<batch>{context, 16, {0, 1, 2, 3, 4, 5, 6, 7}},
        std::vector<double>(8, 1.0), 0.2};
    double log_z = model.tilted(reward.quadratic_form()).log_z;
};

/// N (sum W w)^2 / sum W w^2 of weights W before and factors w, by its definition.
double conditional_ess(const std::vector<double>& log_before, const std::vector<double>& increment,
                       double beta) {
    double total = 0.0, first = 0.0, second = 0.0;
    for (const double l : log_before) total += std::exp(l);
    for (std::size_t j = 0; j < increment.size(); ++j) {
        const double share = std::exp(log_before[j]) / total, factor = std::exp(beta * increment[j]);
        first += share * factor;
        second += share * square(factor);
    }
    return static_cast<double>(increment.size()) * square(first) / second;
}

} // namespace

TEST_CASE("a step's values count as far as the conditional effective sample size bears them") {
    const peaked p;
    const exact_posterior draws{p.model};
    posterior_value value{draws, p.reward};
    constexpr index_t n = 64;
    for (const double share : {0.05, 0.3}) {
        CAPTURE(share);
        const smc_options options{.particles = n,
                                  .steps = 6,
                                  .threshold = 1e-9,
                                  .least_conditional_ess = share,
                                  .log_delta = -40.0};
        smc sampler{ddpm_posterior_kernel{draws}, value, options};
        index_t relaxed = 0; // steps whose beta is held against the definition, and below 1
        auto state = sampler.start(context, philox{5});
        diamond::owning_batch<double, diamond::eigen::context> fresh(context, 1, n);
        while (!state.done()) {
            auto ahead = sampler.resume(context, philox{5}, state.snapshot());
            sampler.step(ahead);
            const auto line = ahead.trace().back();
            REQUIRE(!line.resampled);
            if (!ahead.done()) {
                // The values in full: what the estimator says of the next particles, raised by delta.
                value(ahead.particles(), line.time, {}, philox{5}.stream(purpose::value, ahead.step()),
                      {.value = row(fresh)});
                std::vector<double> increment;
                const auto snapshot = state.snapshot(), next = ahead.snapshot();
                for (std::size_t j = 0; j < n; ++j)
                    increment.push_back(diamond::log_add_exp(fresh.data()[j], -40.0) - snapshot.values[j]);
                const double beta = line.relaxation;
                for (std::size_t j = 0; j < n; ++j)
                    CHECK(next.values[j] ==
                          doctest::Approx(snapshot.values[j] + beta * increment[j]).epsilon(1e-9));
                CHECK(conditional_ess(snapshot.log_weights, increment, beta) >= share * n * (1.0 - 1e-9));
                if (beta < 1.0)
                    CHECK(conditional_ess(snapshot.log_weights, increment, beta * std::exp2(0.25)) <
                          share * n);
                relaxed += beta < 1.0;
            } else {
                CHECK(line.relaxation == 1.0);
            }
            sampler.step(state);
        }
        CHECK(relaxed > 0);
    }
    // Values that agree count in full.
    smc easy{ddpm_posterior_kernel{draws}, exact_value{p.model, p.reward}, {.particles = 256, .steps = 64}};
    for (const auto& line : easy(context, philox{6}).steps) CHECK(line.relaxation == 1.0);
}

TEST_CASE("values in part leave Z-hat unbiased, with four particles and every step resampled") {
    const auto model = mixture<batch>(context);
    const auto bowl = bowl_2d<double>(2.0);
    const double log_z = model.tilted(bowl.quadratic_form()).log_z;
    const exact_posterior draws{model};
    smc sampler{
        ddpm_posterior_kernel{draws},
        posterior_value{draws, bowl},
        {.particles = 4, .steps = 5, .threshold = 2.0, .least_conditional_ess = 0.8, .log_delta = -6.0}};
    std::vector<double> ratio;
    index_t relaxed = 0;
    for (std::uint64_t run = 0; run < 20000; ++run) {
        const auto result = sampler(context, philox{77}.split(run));
        ratio.push_back(std::exp(result.log_z - log_z));
        relaxed += result.steps[2].relaxation < 1.0;
    }
    const auto mean = statistics::average(ratio);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error, ", relaxed ", relaxed);
    CHECK(relaxed > 5000);
    CHECK(statistics::within(mean, 1.0));
    CHECK(mean.standard_error < 0.02);
}

TEST_CASE("where values are noise the default is not far worse than no values, and without it is") {
    const peaked p;
    const exact_posterior draws{p.model};
    const auto error = [&](const smc_options& options) {
        smc sampler{ddpm_posterior_kernel{draws}, posterior_value{draws, p.reward}, options};
        double sum = 0.0;
        for (std::uint64_t run = 0; run < 24; ++run) {
            const auto result = sampler(context, philox{8}.split(run));
            CHECK(!result.reliable); // and all of them say so
            CHECK(std::isnan(result.log_z_standard_error));
            sum += square(result.log_z - p.log_z) / 24.0;
        }
        return std::sqrt(sum);
    };
    const double relaxed = error({.particles = 512}),
                 full = error({.particles = 512, .least_conditional_ess = 0.0});
    double plain = 0.0; // by importance sampling from the chain with as many evaluations, two particles for
                        // one
    for (std::uint64_t run = 0; run < 24; ++run) {
        smc sampler{ddpm_posterior_kernel{draws}, posterior_value{draws, p.reward},
                    smc_options{.particles = 1504, .threshold = 0.0, .pilot_particles = 0}};
        plain += square(sampler(context, philox{9}.split(run)).log_z - p.log_z) / 24.0;
    }
    MESSAGE("rms error of log Z: ", relaxed, ", values in full ", full, ", no values ", std::sqrt(plain));
    CHECK(relaxed < 1.3 * std::sqrt(plain));
    CHECK(full > 20.0);
    CHECK(full > 2.0 * std::sqrt(plain));
}

TEST_CASE("values that nothing is chosen by are not paid for") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    smc sampler{ddpm_posterior_kernel{draws},
                posterior_value{draws, bowl_2d<double>(), {.samples = 8}},
                {.particles = 50, .steps = 5, .threshold = 0.0}};
    const auto result = sampler(context, philox{1});
    CHECK(result.spent == diamond::cost{.forward = 250, .reward = 50}); // nor is the pilot
    CHECK(result.pilot.draws == 0);
    CHECK(result.advice.empty());
    double high = -infinity, sum = 0.0;
    for (const double r : result.rewards) high = std::max(high, r);
    for (const double r : result.rewards) sum += std::exp(r - high) / 50.0;
    CHECK(result.log_z == doctest::Approx(high + std::log(sum)).epsilon(1e-12));
    CHECK(result.log_weights[7] - result.log_weights[3] ==
          doctest::Approx(result.rewards[7] - result.rewards[3]).epsilon(1e-12));
}

TEST_CASE("the pilot grows until it knows enough, or has cost its share") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const auto pilot = [&](double curvature, const smc_options& options) {
        smc sampler{ddpm_posterior_kernel{draws}, posterior_value{draws, bowl_2d<double>(curvature)},
                    options};
        return sampler(context, philox{2}).pilot;
    };
    const auto enough = pilot(0.5, {.particles = 100, .steps = 3, .pilot_particles = 40});
    CHECK(enough.draws == 40);
    CHECK(enough.evaluations == 120);
    CHECK(enough.ess > 10.0);
    const auto grown = pilot(40.0, {.particles = 5000, .steps = 3, .pilot_particles = 40});
    CHECK(grown.draws > 40);
    CHECK(grown.draws % 40 == 0);
    CHECK(grown.ess >= 10.0);
    CHECK(grown.log_z ==
          doctest::Approx(model.tilted(bowl_2d<double>(40.0).quadratic_form()).log_z).epsilon(0.3));
    const auto limited = pilot(40000.0, {.particles = 100, .steps = 3, .pilot_particles = 40});
    CHECK(limited.draws == 100);
    CHECK(limited.ess < 10.0);
    CHECK(pilot(40000.0, {.particles = 100, .steps = 3, .pilot_particles = 40, .pilot_share = 2.5}).draws ==
          250);
    CHECK(pilot(40000.0, {.particles = 100, .steps = 3, .pilot_particles = 40, .pilot_share = 0.0}).draws ==
          40);
    CHECK(pilot(0.5, {.particles = 100, .steps = 3, .log_delta = -1.0}).draws == 0);
    for (const double bad : {-0.5, std::nan(""), infinity}) {
        CHECK_THROWS_WITH_AS(pilot(1.0, {.pilot_share = bad}), doctest::Contains("pilot_share is"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(pilot(1.0, {.least_conditional_ess = bad}),
                             doctest::Contains("least_conditional_ess is"), std::invalid_argument);
    }
}

TEST_CASE("a pilot without a draw that is allowed says that there is nothing to go by") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    auto walled = tilt_2d<double>();
    walled.wall = 2.4; // some draw in ten thousand
    smc sampler{
        ddpm_posterior_kernel{draws}, posterior_value{draws, walled, {.samples = 64}},
        smc_options{
            .particles = 300, .steps = 8, .pilot_particles = 16, .pilot_share = 0.0, .plain_ratio = 0.0}};
    index_t blind = 0, seen = 0;
    for (std::uint64_t run = 0; run < 10; ++run) {
        diamond::smc_result<batch> result;
        try {
            result = sampler(context, philox{run});
        } catch (const diamond::dead_weights&) {
            continue;
        }
        if (result.pilot.log_z > -infinity) continue;
        ++seen;
        CHECK(result.pilot.ess == 0.0);
        CHECK(!result.reliable);
        CHECK(std::isnan(result.log_z_standard_error));
        for (const auto& warning : result.warnings)
            blind += warning.find("none of the pilot's 16 draws is allowed") != std::string::npos;
    }
    CHECK(seen > 0);
    CHECK(blind == seen);
}

TEST_CASE("a result says whether its numbers speak against it, and what would serve better") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const auto tilt = tilt_2d<double>(0.5);
    smc sampler{
        ddpm_posterior_kernel{draws}, posterior_value{draws, tilt, {.samples = 4}}, {.plain_ratio = 0.0}};
    const auto result = sampler(context, philox{3});
    CHECK(result.reliable);
    CHECK(result.warnings.empty());
    CHECK(result.log_z_standard_error > 0.0);
    CHECK(std::abs(result.log_z - model.tilted(tilt.quadratic_form()).log_z) <
          4.0 * result.log_z_standard_error);
    CHECK(!sampler(context, philox{3}, {}, [](const auto& view) { return view.step < 3; }).reliable);

    // On so easy a reward the pilot's weights alone are better, and its numbers say by how much.
    CHECK(result.advice.find("plain importance sampling") != std::string::npos);
    const double affordable = static_cast<double>(result.pilot.draws) *
                              static_cast<double>(result.spent.evaluations()) /
                              static_cast<double>(result.pilot.evaluations);
    const double variance = (static_cast<double>(result.pilot.draws) / result.pilot.ess - 1.0) / affordable;
    CHECK(result.advice.find("about " + diamond::rounded(variance, 2)) != std::string::npos);
    // On one where the prior seldom goes they are not.
    const peaked p;
    smc far{ddpm_posterior_kernel{exact_posterior{p.model}}, exact_value{p.model, p.reward},
            smc_options{.particles = 4096, .steps = 32}};
    CHECK(far(context, philox{4}).advice.empty());
}

TEST_CASE("islands pass on what their runs warn of, but for the error from one run") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const auto islands = [&](double curvature, const smc_options& options) {
        smc sampler{ddpm_posterior_kernel{draws}, posterior_value{draws, bowl_2d<double>(curvature)},
                    options};
        std::vector<diamond::smc_result<batch>> runs;
        for (std::uint64_t k = 0; k < 12; ++k) runs.push_back(sampler(context, philox{5}.split(k)));
        return runs;
    };
    // Runs too small for an error of their own.
    const auto small = islands(1.0, {.particles = 10, .steps = 4});
    CHECK(std::any_of(small.begin(), small.end(),
                      [](const auto& run) { return !run.one_run_warning.empty(); }));
    const auto all = diamond::combine_islands(small);
    CHECK(all.warnings.empty());
    CHECK(all.standard_error < 0.5);
    double share = 0.0;
    for (const double one : all.shares) share += one;
    CHECK(share == doctest::Approx(1.0));
    // Runs that warn of their steps.
    auto wide = islands(30.0,
                        {.particles = 24, .steps = 2, .least_conditional_ess = 0.0, .log_delta = -infinity});
    const auto warned = diamond::combine_islands(wide);
    CHECK(std::isnan(warned.standard_error));
    REQUIRE(!warned.warnings.empty());
    CHECK(warned.warnings.back().find("of 12 runs warn, so that log Z has no standard error; run ") !=
          std::string::npos);
    // A few that warn are told, and the spread of all is the error.
    auto few = islands(1.0, {.particles = 10, .steps = 4});
    few[3].warnings.push_back("a value was odd");
    const auto told = diamond::combine_islands(few);
    REQUIRE(told.warnings.size() == 1);
    CHECK(told.warnings.front() == "1 of 12 runs warn; run 3: a value was odd");
    CHECK(std::isfinite(told.standard_error));
    // One that died is a zero.
    few[3] = {};
    few[3].log_z = -infinity;
    CHECK(diamond::combine_islands(few).shares[3] == 0.0);
    wide.resize(1);
    CHECK_THROWS_WITH_AS(std::ignore = diamond::combine_islands(wide), doctest::Contains("at least 2"),
                         std::invalid_argument);
}

} // namespace align_smc_trust_test
