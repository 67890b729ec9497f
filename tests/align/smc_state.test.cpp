/// The parts of a run of SMC: its steps, what they report, what they cost, and that it can be stopped, saved
/// and resumed.
#include <numeric>

#include <support/back_ends.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_smc_state_test {

using namespace cases;
using diamond::cost, diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value,
    diamond::smc, diamond::smc_options;

namespace {

/// DDPM and posterior values on the mixture, under a reward that makes it resample.
template <class Batch, class Resampler = diamond::multinomial>
auto sampler_on(const diamond::backend_of_t<Batch>& context, const smc_options& options, index_t samples = 2,
                Resampler resampler = {}) {
    const exact_posterior<mixture_of<Batch>> draws(mixture<Batch>(context));
    return smc(ddpm_posterior_kernel(draws),
               posterior_value(draws, bowl_2d<typename Batch::value_type>(2.0), {.samples = samples}),
               options, resampler);
}

/// A user's resampler: all become children of the last, and what it was given is written down.
struct last_takes_all {
    std::vector<diamond::noise_stream>* streams;
    template <class Context>
    void operator()(const Context& context, const std::uint64_t*, index_t columns,
                    diamond::noise_stream stream, diamond::resampling_scratch<Context>&,
                    std::int32_t* ancestors) const {
        streams->push_back(stream);
        context.for_each(columns, [=](index_t j) { ancestors[j] = static_cast<std::int32_t>(columns - 1); });
    }
    [[nodiscard]] diamond::log_z_error method() const { return diamond::log_z_error::none; }
};

} // namespace

TEST_CASE_TEMPLATE("a run resumes from any step, bit for bit", back, TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(1);
    for (const bool record : {true, false}) {
        const smc_options options{
            .particles = 60, .steps = 6, .threshold = 0.95, .plain_ratio = 0.0, .record_ancestors = record};
        auto first = sampler_on<batch>(context, options);
        const auto expected = first(context, philox{5});
        CHECK(expected.complete);
        CHECK(std::count_if(expected.steps.begin(), expected.steps.end(),
                            [](const auto& s) { return s.resampled; }) >= 2);
        for (index_t stop = 0; stop <= 6; ++stop) {
            CAPTURE(stop);
            auto before = sampler_on<batch>(context, options);
            auto state = before.start(context, philox{5});
            while (state.step() < stop) before.step(state);
            CHECK(state.done() == (stop == 6));
            const auto saved = state.snapshot();

            auto after = sampler_on<batch>(context, options); // another process
            check_same(after(context, philox{5}, saved), expected);
            auto resumed = after.resume(context, philox{5}, saved);
            while (!resumed.done()) after.step(resumed);
            check_same(after.finish(std::move(resumed)), expected);
            while (!state.done()) before.step(state); // and the first goes on as if nothing had been
            check_same(before.finish(std::move(state)), expected);
        }
    }
}

TEST_CASE("a sampler may be used again, and the same call gives the same result and the same bill") {
    const auto context = back_ends::eigen<double>::make(1);
    auto sampler = sampler_on<diamond::eigen::batch<double>>(context, {.particles = 50, .steps = 5});
    const auto first = sampler(context, philox{6});
    const auto other = sampler(context, philox{7});
    CHECK(diamond::to_host(first.particles) != diamond::to_host(other.particles));
    check_same(sampler(context, philox{6}), first);
}

TEST_CASE("an observer sees every step, and may stop the run") {
    const auto context = back_ends::eigen<double>::make(1);
    const smc_options options{.particles = 40, .steps = 5};
    auto sampler = sampler_on<diamond::eigen::batch<double>>(context, options);
    const auto whole = sampler(context, philox{8});

    std::vector<diamond::smc_step> seen;
    const auto watched = sampler(context, philox{8}, {}, [&](const auto& view) {
        seen.push_back(view.trace);
        CHECK(view.step == static_cast<index_t>(seen.size()));
        CHECK(view.steps == 5);
        CHECK(view.time == doctest::Approx(0.2 * static_cast<double>(view.step)));
        CHECK(view.particles.columns() == 40);
        for (index_t j = 0; j < 40 && view.trace.resampled; ++j) CHECK(view.log_weights[j] == 0.0);
    });
    CHECK(seen == whole.steps);
    check_same(watched, whole);

    for (index_t stop = 1; stop <= 5; ++stop) {
        CAPTURE(stop);
        const auto result = sampler(context, philox{8}, {},
                                    [&](const auto& view) { return view.step < stop; });
        CHECK(result.steps == std::vector(whole.steps.begin(), whole.steps.begin() + stop));
        CHECK(result.complete == (stop == 5));
        if (stop == 5) {
            check_same(result, whole);
            continue;
        }
        CHECK(std::isnan(result.log_z));
        CHECK(std::isnan(result.log_z_standard_error));
        CHECK(result.log_z_method == diamond::log_z_error::none);
        CHECK_FALSE(result.exact_for_sampler);
        CHECK_FALSE(result.exact_for_model);
        CHECK(result.particles.columns() == 40);
        REQUIRE(result.warnings.size() == 1);
        CHECK(result.warnings[0].find("stopped after step " + std::to_string(stop) + " of 5") !=
              std::string::npos);
    }
}

TEST_CASE("without resampling the trace and log Z are those of the weights that an observer sees") {
    const auto context = back_ends::eigen<double>::make(1);
    auto sampler = sampler_on<diamond::eigen::batch<double>>(
        context, {.particles = 80, .steps = 5, .threshold = 0.0, .initial_value = 1.5, .log_delta = -2.0});
    std::vector<double> before(80, 1.5), log_w(80, 0.0);
    double log_mean = 0.0;
    const auto result = sampler(context, philox{9}, {}, [&](const auto& view) {
        double sum = 0.0, squares = 0.0, largest = 0.0, values = 0.0, least = infinity, most = -infinity;
        for (std::size_t j = 0; j < 80; ++j) {
            const double increment = view.values[j] - before[j];
            log_w[j] += increment;
            CHECK(view.log_weights[j] == doctest::Approx(log_w[j]).epsilon(1e-13));
            before[j] = view.values[j];
            const double w = std::exp(log_w[j]);
            sum += w;
            squares += w * w;
            largest = std::max(largest, w);
            values += w * view.values[j];
            least = std::min(least, increment);
            most = std::max(most, increment);
            if (view.step < view.steps) CHECK(view.values[j] >= -2.0); // delta
        }
        CHECK(view.trace.ess == doctest::Approx(sum * sum / squares).epsilon(1e-12));
        CHECK(view.trace.largest_share == doctest::Approx(largest / sum).epsilon(1e-12));
        CHECK(view.trace.mean_value == doctest::Approx(values / sum).epsilon(1e-12));
        CHECK(view.trace.least_increment == doctest::Approx(least).epsilon(1e-12));
        CHECK(view.trace.largest_increment == doctest::Approx(most).epsilon(1e-12));
        CHECK_FALSE(view.trace.resampled);
        log_mean = std::log(sum / 80.0);
    });
    CHECK(result.log_z == doctest::Approx(1.5 + log_mean).epsilon(1e-12));
    CHECK(result.ess == result.steps.back().ess);
    CHECK(result.log_delta == -2.0);
    const auto reward = bowl_2d<double>(2.0);
    for (index_t j = 0; j < 80; ++j) // the increments telescope
        CHECK(result.log_weights[static_cast<std::size_t>(j)] ==
              doctest::Approx(reward(result.particles.read().column(j)) - 1.5).epsilon(1e-12));
    double total = 0.0;
    for (const double w : result.weights()) total += w;
    CHECK(total == doctest::Approx(1.0));
    std::vector<std::int32_t> all(80);
    std::iota(all.begin(), all.end(), 0);
    CHECK(result.families == all);
}

TEST_CASE(
    "without resampling the particles are the chain's, each step with its own noise, and so are the values") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = mixture<batch>(context);
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    posterior_value value{exact_posterior{model}, bowl_2d<double>(), {.samples = 2}};
    smc sampler{kernel, value,
                smc_options{.particles = 30,
                            .steps = 5,
                            .threshold = 1e-9,
                            .least_conditional_ess = 0.0,
                            .log_delta = -infinity}};
    diamond::owning_batch<double, diamond::eigen::context> expected(context, 1, 30);
    const auto result = sampler(context, philox{9}, {}, [&](const auto& view) {
        value(view.particles, view.time, {}, philox{9}.stream(purpose::value, view.step),
              {.value = row(expected)});
        CHECK(std::equal(view.values.begin(), view.values.end(), expected.data()));
    });
    CHECK(diamond::to_host(result.particles) ==
          diamond::to_host(
              diamond::chain(kernel, {.particles = 30, .steps = 5})(context, philox{9}).particles));
}

TEST_CASE_TEMPLATE("resampling is where the trace says, and takes state, value and family along", back,
                   TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(1);
    const auto model = mixture<batch>(context);
    const auto reward = bowl_2d<typename back::real>(3.0);
    // The exact value is a function of the particle, so a value that did not travel with its particle shows.
    diamond::exact_value value{model, reward}, check{model, reward};
    smc sampler{ddpm_posterior_kernel{exact_posterior{model}}, value,
                smc_options{.particles = 100,
                            .steps = 8,
                            .threshold = 0.8,
                            .log_delta = -infinity,
                            .record_ancestors = true}};
    diamond::rebind_t<batch, double> expected(context, 1, 100);
    std::vector<std::int32_t> families(100);
    std::iota(families.begin(), families.end(), 0);
    double log_z = 0.0;
    index_t resampled = 0;
    auto state = sampler.start(context, philox{10});
    while (!state.done()) {
        sampler.step(state);
        const auto saved = state.snapshot();
        const auto& trace = saved.steps.back();
        CHECK(trace.resampled == (trace.ess < 80.0 && saved.step < 8));
        if (saved.step < 8) {
            const auto x = diamond::from_host(context, 2, 100, saved.particles);
            check(x.read(), trace.time, {}, philox{0}.stream(purpose::user), {.value = row(expected)});
            CHECK(statistics::largest_error(diamond::to_host(expected), saved.values) < back::tolerance);
        }
        REQUIRE(saved.ancestors.size() == static_cast<std::size_t>(saved.step));
        const auto& ancestors = saved.ancestors.back();
        CHECK(ancestors.size() == (trace.resampled ? 100u : 0u));
        if (trace.resampled) {
            ++resampled;
            CHECK(saved.log_weights == std::vector<double>(100, 0.0));
            CHECK(saved.log_z != log_z);
            auto composed = families;
            for (std::size_t j = 0; j < 100; ++j)
                composed[j] = families[static_cast<std::size_t>(ancestors[j])];
            families = composed;
        } else if (saved.step < 8) {
            CHECK(saved.log_z == log_z);
        }
        CHECK(saved.families == families);
        CHECK(saved.resamplings == resampled);
        log_z = saved.log_z;
    }
    CHECK(resampled >= 3);
    const auto result = sampler.finish(std::move(state));
    CHECK(result.families == families);
    CHECK(result.log_z == log_z);
    CHECK_FALSE(result.steps.back().resampled); // at K there is none
}

TEST_CASE("each resampling draws from a stream of its own, by any resampler") {
    const auto context = back_ends::eigen<double>::make(1);
    std::vector<diamond::noise_stream> streams;
    auto sampler = sampler_on<diamond::eigen::batch<double>>(
        context, {.particles = 10, .steps = 5, .threshold = 2.0}, 2, last_takes_all{&streams});
    const auto result = sampler(context, philox{10});
    REQUIRE(streams.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        CHECK(streams[k].seed == 10);
        CHECK(streams[k].purpose == purpose::resampling);
        CHECK(streams[k].step == k + 1);
    }
    CHECK(result.families == std::vector<std::int32_t>(10, 9));
}

TEST_CASE("evaluations are counted, the pilot's among them") {
    // DDPM: one posterior draw a particle and step; posterior values: M draws and rewards a particle at all
    // steps but the last; there one reward.
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 70, steps = 5, samples = 3, pilot = 20;
    const cost run{.forward = n * steps + n * samples * (steps - 1), .reward = n * samples * (steps - 1) + n};
    smc_options options{.particles = n, .steps = steps, .log_delta = 0.5};
    for (int again = 0; again < 2; ++again) {
        auto sampler = sampler_on<diamond::eigen::batch<double>>(context, options, samples);
        CHECK(sampler(context, philox{11}).spent == run);
        CHECK(sampler(context, philox{12}).spent == run); // not its first run's, too
        CHECK(sampler.spent() == run + run);
        CHECK(run.evaluations() == n * steps + n * samples * (steps - 1));
    }
    options.log_delta.reset();
    options.pilot_particles = pilot;
    options.pilot_share = 0.0; // it does not grow
    const cost whole = run + cost{.forward = pilot * steps, .reward = pilot};
    auto sampler = sampler_on<diamond::eigen::batch<double>>(context, options, samples);
    CHECK(sampler(context, philox{11}).spent == whole);
    CHECK(sampler(context, philox{12}).spent == whole);

    // A kernel whose copies start a bill of their own.
    const auto model = mixture<diamond::eigen::batch<double>>(context);
    smc glass{
        diamond::glass_kernel{diamond::linear_schedule{}, model, diamond::explicit_midpoint{.steps = 2}},
        posterior_value{exact_posterior{model}, bowl_2d<double>(), {.samples = samples}}, options};
    const cost more{.forward = (n + pilot) * steps * 4 + n * samples * (steps - 1),
                    .reward = n * samples * (steps - 1) + n + pilot};
    CHECK(glass(context, philox{11}).spent == more);
    CHECK(glass(context, philox{11}).spent == more);

    options.pilot_particles = 0;
    CHECK(
        sampler_on<diamond::eigen::batch<double>>(context, options, samples)(context, philox{11}).log_delta ==
        -infinity);
}

TEST_CASE("delta is fixed by the pilot before the run, and on a stream of its own") {
    const auto context = back_ends::eigen<double>::make(1);
    using batch = diamond::eigen::batch<double>;
    smc_options options{.particles = 50, .steps = 5, .pilot_particles = 30, .plain_ratio = 0.0};
    const auto piloted = sampler_on<batch>(context, options)(context, philox{13});
    options.log_delta = piloted.log_delta;
    const auto told = sampler_on<batch>(context, options)(context, philox{13});
    CHECK(diamond::to_host(told.particles) == diamond::to_host(piloted.particles));
    CHECK(told.log_z == piloted.log_z);
    // log mean exp r over draws of the chain; not over those of the run's own stream, or delta would know
    // what it is to weigh.
    const auto draws = diamond::chain(ddpm_posterior_kernel{exact_posterior{mixture<batch>(context)}},
                                      {.particles = 30, .steps = 5})(context, philox{13});
    const auto reward = bowl_2d<double>(2.0);
    double mean = 0.0;
    for (index_t j = 0; j < 30; ++j) mean += std::exp(reward(draws.particles.read().column(j))) / 30.0;
    CHECK(std::abs(piloted.log_delta - std::log(mean)) > 1e-6);
    CHECK(std::abs(piloted.log_delta - std::log(mean)) < 2.0);
    // With one step there is nothing to raise, and no pilot.
    options.log_delta.reset();
    options.steps = 1;
    const auto one = sampler_on<batch>(context, options)(context, philox{13});
    CHECK(one.log_delta == -infinity);
    CHECK(one.spent == cost{.forward = 50, .reward = 50});
}

TEST_CASE("what is claimed: exact for the sampler always, for the model where the kernel is") {
    const auto context = back_ends::eigen<double>::make(1);
    using batch = diamond::eigen::batch<double>;
    const auto model = mixture<batch>(context);
    const auto right = sampler_on<batch>(context, {.particles = 10, .steps = 2})(context, philox{14});
    CHECK(right.exact_for_sampler);
    CHECK(right.exact_for_model);
    smc glass{diamond::glass_kernel{diamond::linear_schedule{}, model, diamond::heun{.steps = 4}},
              posterior_value{exact_posterior{model}, bowl_2d<double>()},
              smc_options{.particles = 10, .steps = 2}};
    const auto solved = glass(context, philox{14});
    CHECK(solved.exact_for_sampler);
    CHECK_FALSE(solved.exact_for_model);
    CHECK(right.log_z_method == diamond::log_z_error::lee_whiteley);
    CHECK(solved.log_z_method == diamond::log_z_error::family_weights);
}

TEST_CASE("one particle runs, and has no error of log Z") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto result = sampler_on<diamond::eigen::batch<double>>(
        context, {.particles = 1, .steps = 4, .threshold = 2.0})(context, philox{15});
    CHECK(result.complete);
    CHECK(std::isfinite(result.log_z));
    CHECK(std::isnan(result.log_z_standard_error));
    REQUIRE(result.warnings.size() == 1);
    CHECK(result.warnings[0].find("one particle says nothing of the error of log Z") != std::string::npos);
    CHECK(result.ess == doctest::Approx(1.0));
    CHECK(result.families == std::vector<std::int32_t>{0});
    CHECK(result.weights() == std::vector<double>{1.0});
}

} // namespace align_smc_state_test
