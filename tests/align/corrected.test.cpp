/// SMC with a kernel that corrects itself: the chain may be wrong, the target is that of the density.
#include <diamond/align/log_densities.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>

#include <support/back_ends.hpp>
#include <support/batches.hpp>
#include <support/small_matrix.hpp>

#include "cases.hpp"
#include "map/corrections.hpp"
#include "results.hpp"

namespace align_corrected_test {

using namespace cases;
using diamond::smc, diamond::smc_options, doctest::Contains;

namespace {

using batch = diamond::eigen::batch<double>;
using solid = diamond::gaussian_diamond_map<batch, diamond::linear_schedule>;
using exact = diamond::exact_density<diamond::linear_schedule, gaussian_of<batch>>;

/// Off in mean, and wider than the model.
template <class Batch = batch>
gaussian_of<Batch> wrong_gaussian(const diamond::backend_of_t<Batch>& context) {
    const corrections::wrong_numbers n;
    return {context, {}, n.mean, n.covariance};
}
template <class Batch>
auto right_density(const diamond::backend_of_t<Batch>& context) {
    return diamond::exact_density{diamond::linear_schedule{}, gaussian<Batch>(context)};
}
/// A wrong chain and a wrong value; corrected by `density`.
template <class Density>
auto corrected_smc(const diamond::eigen::context& context, Density density, const smc_options& options,
                   index_t samples = 2) {
    const auto wrong = wrong_gaussian(context);
    return smc{
        diamond::corrected_kernel{diamond::early_stop_kernel{solid{wrong}}, std::move(density)},
        diamond::posterior_value{diamond::exact_posterior{wrong}, bowl_3d<double>(), {.samples = samples}},
        options};
}
double true_log_z(const diamond::eigen::context& context) {
    return diamond::exact_value(gaussian<batch>(context), bowl_3d<double>()).log_z();
}

/// One density at t = 1 and another before.
template <class End, class Before>
class patched {
public:
    using batch_type = typename End::batch_type;
    patched(End end, Before before, double shift = 0.0)
        : end_(std::move(end)), before_(std::move(before)), shift_(shift) {}
    [[nodiscard]] index_t dimension() const { return end_.dimension(); }
    [[nodiscard]] auto schedule() const { return end_.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return end_.spent() + before_.spent(); }
    [[nodiscard]] bool exact() const { return false; }
    void operator()(diamond::const_view_t<batch_type> x, double t, diamond::no_condition none,
                    diamond::row_t<batch_type> out) {
        if (t == 1.0) return end_(x, t, none, out);
        before_(x, t, none, out);
        for (index_t j = 0; j < x.columns(); ++j) out[j] += shift_;
    }

private:
    End end_;
    Before before_;
    double shift_; // before the end: of a density that is not normalised
};

/// A joint map whose divergence is off: its draws claim a density exp(r* by) too high.
struct boasting : solid {
    double by;
    boasting(solid map, double how_much) : solid(std::move(map)), by(how_much) {}
    using solid::operator();
    void operator()(diamond::const_view_t<batch> xbar, diamond::interval inner,
                    diamond::const_view_t<batch> x_t, diamond::time_view t, diamond::no_condition none,
                    diamond::view_t<batch> out, diamond::row_t<batch> divergence) {
        solid::operator()(xbar, inner, x_t, t, none, out, divergence);
        for (index_t j = 0; j < xbar.columns(); ++j) divergence[j] -= by;
    }
};
template <class Result>
bool warns(const Result& result, const char* of) {
    return std::any_of(result.warnings.begin(), result.warnings.end(),
                       [&](const std::string& text) { return text.find(of) != std::string::npos; });
}

} // namespace

TEST_CASE_TEMPLATE("an exact kernel is left as it is: its corrections are 1, and the run is the plain one's",
                   back, TWO_BACK_ENDS) {
    using own_batch = typename back::batch;
    const auto context = back::make(1);
    const auto model = gaussian<own_batch>(context);
    const diamond::early_stop_kernel kernel{diamond::gaussian_diamond_map{model}};
    const diamond::posterior_value value{
        diamond::exact_posterior{model}, bowl_3d<typename back::real>(), {.samples = 2}};
    const smc_options options{.particles = 200, .steps = 6, .plain_ratio = 0.0};
    smc plain{kernel, value, options};
    smc corrected{diamond::corrected_kernel{kernel, right_density<own_batch>(context)}, value, options};
    const auto a = plain(context, philox{3}), b = corrected(context, philox{3});
    // The rounding of a weight, and of particles, while the ancestors agree.
    const double rounding = 20 * back::tolerance;
    CHECK(std::abs(b.log_z - a.log_z) < rounding);
    CHECK(a.families == b.families);
    CHECK(statistics::largest_error(diamond::to_host(a.particles), diamond::to_host(b.particles)) < rounding);
    for (const auto& step : b.steps) {
        CHECK(step.correction_ess == doctest::Approx(200.0).epsilon(1e-4));
        CHECK(std::abs(step.log_mean_correction) < rounding);
    }
    for (const auto& step : a.steps)
        CHECK((std::isnan(step.correction_ess) && std::isnan(step.log_mean_correction)));
    CHECK(std::isnan(a.correction_ess));
    CHECK(b.correction_ess ==
          std::min_element(b.steps.begin(), b.steps.end(), [](const auto& x, const auto& y) {
              return x.correction_ess < y.correction_ess;
          })->correction_ess);
    CHECK((b.exact_for_density && b.exact_for_model && !b.exact_for_sampler));
    CHECK((!a.exact_for_density && a.exact_for_model && a.exact_for_sampler));
}

// Means of Z-hat/Z over runs lie within 4.5 of their standard errors of 1, once in 147,000 each not; what is
// wrong lies 8 and more away.
TEST_CASE("a wrong kernel, corrected, reaches the model's Z, whatever normalised densities stand between") {
    const diamond::eigen::context context{.threads = 2};
    const double log_z = true_log_z(context);
    const auto right = right_density<batch>(context);
    // Densities in between: the wrong chain's own, a third law's, and that law's not even normalised.
    const diamond::exact_density own{diamond::linear_schedule{}, wrong_gaussian(context)};
    const exact third{
        {},
        gaussian_of<batch>{context, {}, {0.9, -0.4, 0.1}, {0.8, -0.2, 0.1, -0.2, 1.1, 0.0, 0.1, 0.0, 0.9}}};
    const auto run = [&](auto density, double threshold, std::uint64_t seed) {
        auto sampler = corrected_smc(
            context, std::move(density),
            {.particles = 128, .steps = 5, .threshold = threshold, .log_delta = -infinity});
        return statistics::average(ratios(sampler, context, 500, log_z, seed));
    };
    for (const double threshold : {0.0, 0.5, 2.0}) {
        CAPTURE(threshold);
        CHECK(statistics::within(run(right, threshold, 5), 1.0));
        CHECK(statistics::within(run(patched{right, own}, threshold, 6), 1.0));
        CHECK(statistics::within(run(patched{right, third}, threshold, 7), 1.0));
        CHECK(statistics::within(run(patched{right, third, 1.7}, threshold, 8), 1.0));
        // the end decides
        CHECK_FALSE(statistics::within(run(patched{third, right}, threshold, 9), 1.0, 8.0));
    }
    const auto wrong = wrong_gaussian(context);
    smc plain{diamond::early_stop_kernel{solid{wrong}},
              diamond::posterior_value{diamond::exact_posterior{wrong}, bowl_3d<double>(), {.samples = 2}},
              smc_options{.particles = 128, .steps = 5, .log_delta = -infinity}};
    CHECK_FALSE(statistics::within(statistics::average(ratios(plain, context, 500, log_z, 5)), 1.0, 8.0));
}

TEST_CASE("a density off by c at the end multiplies Z by exp c") {
    const diamond::eigen::context context{.threads = 1};
    for (const double threshold : {0.0, 2.0}) {
        const smc_options options{.particles = 100, .steps = 4, .threshold = threshold, .log_delta = -2.0};
        const auto as_is = corrected_smc(context, right_density<batch>(context), options)(context, philox{4});
        const auto off = corrected_smc(
            context, corrections::altered(right_density<batch>(context), corrections::shift_end{0.7}),
            options)(context, philox{4});
        CHECK(off.log_z == doctest::Approx(as_is.log_z + 0.7).epsilon(1e-12));
        CHECK(off.families == as_is.families);
        CHECK(off.steps.back().log_mean_correction ==
              doctest::Approx(as_is.steps.back().log_mean_correction + 0.7).epsilon(1e-12));
    }
}

TEST_CASE("the weighted particles are the tilted model's") {
    // Mean and variances of p^r: precision C^-1 + diag q, by dense algebra. Self-normalised means of 60
    // independent runs, whose spread is their error.
    const diamond::eigen::context context{.threads = 2};
    const models::gaussian_numbers n;
    const auto form = bowl_3d<double>().quadratic_form();
    small::matrix precision = small::solve(small::matrix(3, 3, n.covariance), small::matrix::identity(3)).x;
    small::matrix push = precision * small::matrix(3, 1, n.mean) + small::matrix(3, 1, form.linear);
    for (std::size_t i = 0; i < 3; ++i) precision(i, i) += form.curvature[i];
    const auto covariance = small::solve(precision, small::matrix::identity(3)).x, mean = covariance * push;
    const auto far = [&](auto sampler) { // the largest deviation of six moments, in standard errors
        std::vector<std::vector<double>> moments(6);
        for (std::uint64_t run = 0; run < 60; ++run) {
            const auto result = sampler(context, philox{11}.split(run));
            const auto weights = result.weights(), x = diamond::to_host(result.particles);
            for (std::size_t i = 0; i < 3; ++i) {
                double first = 0.0, second = 0.0;
                for (std::size_t j = 0; j < weights.size(); ++j) {
                    const double miss = x[i + 3 * j] - static_cast<double>(mean(i, 0));
                    first += weights[j] * miss;
                    second += weights[j] * miss * miss;
                }
                moments[i].push_back(first);
                moments[3 + i].push_back(second - static_cast<double>(covariance(i, i)));
            }
        }
        double worst = 0.0;
        for (const auto& one : moments)
            worst = std::max(worst, std::abs(statistics::average(one).value) /
                                        statistics::average(one).standard_error);
        return worst;
    };
    // bias of order 1/N against a spread of 1/sqrt(60 N): a tenth of a standard error at N = 2000
    CHECK(far(corrected_smc(context, right_density<batch>(context), {.particles = 2000, .steps = 5})) < 4.5);
    const auto wrong = wrong_gaussian(context);
    CHECK(
        far(smc{diamond::early_stop_kernel{solid{wrong}},
                diamond::posterior_value{diamond::exact_posterior{wrong}, bowl_3d<double>(), {.samples = 2}},
                smc_options{.particles = 2000, .steps = 5}}) > 10.0);
}

TEST_CASE(
    "a density that is 0 beyond a wall: such particles weigh nothing and stay dead, and Z is the rest's") {
    const diamond::eigen::context context{.threads = 2};
    // P(z_0 > wall) under the tilted Gaussian, by dense algebra
    const models::gaussian_numbers n;
    const auto form = bowl_3d<double>().quadratic_form();
    small::matrix precision = small::solve(small::matrix(3, 3, n.covariance), small::matrix::identity(3)).x;
    const small::matrix push = precision * small::matrix(3, 1, n.mean) + small::matrix(3, 1, form.linear);
    for (std::size_t i = 0; i < 3; ++i) precision(i, i) += form.curvature[i];
    const auto covariance = small::solve(precision, small::matrix::identity(3)).x, mean = covariance * push;
    constexpr double wall = 0.1;
    const double log_z = true_log_z(context) +
                         std::log(0.5 * std::erfc((wall - static_cast<double>(mean(0, 0))) /
                                                  std::sqrt(2.0 * static_cast<double>(covariance(0, 0)))));
    const auto right = right_density<batch>(context);
    const corrections::altered walled{right, corrections::wall{wall}};
    for (const double threshold : {0.0, 0.5}) {
        auto at_the_end = corrected_smc(
            context, patched{walled, right},
            {.particles = 128, .steps = 5, .threshold = threshold, .log_delta = -infinity});
        CHECK(statistics::within(statistics::average(ratios(at_the_end, context, 500, log_z, 21)), 1.0));
    }
    // A wall at every time: what passes through is dead for good. No NaN anywhere, and at the end only what
    // is beyond the wall lives.
    auto always = corrected_smc(context, walled,
                                {.particles = 200, .steps = 5, .threshold = 0.0, .log_delta = -infinity});
    std::vector<bool> dead(200, false);
    const auto result = always(context, philox{22}, {}, [&](const auto& view) {
        for (index_t j = 0; j < 200; ++j) {
            const auto k = static_cast<std::size_t>(j);
            CHECK_FALSE(std::isnan(view.log_weights[j]));
            dead[k] = dead[k] || view.particles(0, j) < wall;
            CHECK((view.log_weights[j] == -infinity) == dead[k]);
        }
        CHECK(std::isfinite(view.trace.correction_ess));
        CHECK(std::isfinite(view.trace.log_mean_correction));
    });
    CHECK(std::isfinite(result.log_z));
    const auto nowhere = corrections::altered{right, corrections::wall{1e6}};
    CHECK_THROWS_AS(corrected_smc(context, nowhere,
                                  {.particles = 50, .steps = 3, .log_delta = -infinity})(context, philox{23}),
                    diamond::dead_weights);
}

TEST_CASE_TEMPLATE(
    "a corrected run resumes from any step, bit for bit; a plain run's snapshot is refused, and the reverse",
    back, TWO_BACK_ENDS) {
    using own_batch = typename back::batch;
    const auto context = back::make(1);
    const auto wrong = wrong_gaussian<own_batch>(context);
    const diamond::posterior_value value{
        diamond::exact_posterior{wrong}, bowl_3d<typename back::real>(), {.samples = 2}};
    const diamond::early_stop_kernel kernel{diamond::gaussian_diamond_map{wrong}};
    const smc_options options{.particles = 60, .steps = 6, .threshold = 0.95, .record_ancestors = true};
    smc sampler{diamond::corrected_kernel{kernel, right_density<own_batch>(context)}, value, options};
    const auto expected = sampler(context, philox{5});
    CHECK(std::count_if(expected.steps.begin(), expected.steps.end(),
                        [](const auto& s) { return s.resampled; }) >= 2);
    REQUIRE(expected.log_densities.size() == 60);
    for (index_t stop = 0; stop <= 6; ++stop) {
        CAPTURE(stop);
        auto state = sampler.start(context, philox{5});
        while (state.step() < stop) sampler.step(state);
        const auto saved = state.snapshot();
        CHECK(saved.log_densities.size() == 60);
        auto another = smc{diamond::corrected_kernel{kernel, right_density<own_batch>(context)}, value,
                           options};
        check_same(another(context, philox{5}, saved), expected);
        while (!state.done()) sampler.step(state);
        check_same(sampler.finish(std::move(state)), expected);
    }
    smc plain{kernel, value, options};
    const auto carrying = sampler.start(context, philox{5}).snapshot(),
               bare = plain.start(context, philox{5}).snapshot();
    CHECK(bare.log_densities.empty());
    CHECK_THROWS_WITH_AS(plain(context, philox{5}, carrying),
                         Contains("holds 60 log-densities, and this sampler's kernel carries 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(sampler(context, philox{5}, bare),
                         Contains("holds 0 log-densities, and this sampler's kernel carries 60"),
                         std::invalid_argument);
}

TEST_CASE("what is carried is log p of each particle, at every step and after every resampling") {
    const diamond::eigen::context context{.threads = 1};
    auto density = right_density<batch>(context);
    auto sampler = corrected_smc(context, density, {.particles = 100, .steps = 6, .threshold = 2.0});
    auto state = sampler.start(context, philox{6});
    while (!state.done()) {
        const auto saved = state.snapshot();
        const auto x = diamond::from_host(context, 3, 100, saved.particles);
        const double t = static_cast<double>(saved.step) / 6.0;
        batch known(context, 1, 100);
        density(x.read(), t, {}, row(known)); // at t = 0 the model's p_0 is N(0, I)
        CHECK(statistics::largest_error(saved.log_densities, diamond::to_host(known)) < 1e-13);
        sampler.step(state);
    }
    const auto result = sampler.finish(std::move(state));
    CHECK(numbers::same_bits(result.log_densities,
                             diamond::log_densities_of(density, result.particles.read())));
}

TEST_CASE("every step's correction is the weights' that an observer sees") {
    const diamond::eigen::context context{.threads = 1};
    auto sampler = corrected_smc(
        context, right_density<batch>(context),
        {.particles = 80, .steps = 5, .threshold = 0.0, .initial_value = 1.5, .log_delta = -2.0});
    std::vector<double> value(80, 1.5), log_w(80, 0.0);
    const auto result = sampler(context, philox{9}, {}, [&](const auto& view) {
        double sum = 0.0, squares = 0.0;
        for (std::size_t j = 0; j < 80; ++j) {
            const double correction = view.log_weights[j] - log_w[j] - (view.values[j] - value[j]);
            log_w[j] = view.log_weights[j];
            value[j] = view.values[j];
            sum += std::exp(correction);
            squares += std::exp(2.0 * correction);
        }
        CHECK(view.trace.correction_ess == doctest::Approx(sum * sum / squares).epsilon(1e-10));
        CHECK(view.trace.log_mean_correction == doctest::Approx(std::log(sum / 80.0)).epsilon(1e-10));
        CHECK(view.trace.correction_ess < 79.0);
    });
    double least = 80.0;
    for (const auto& step : result.steps) least = std::min(least, step.correction_ess);
    CHECK(result.correction_ess == least);
}

TEST_CASE_TEMPLATE("a corrected run gives the same bits on one thread and on two", real, float, double) {
    using back = back_ends::eigen<real>;
    const auto run = [](int threads, index_t particles) {
        const auto context = back::make(threads);
        const auto wrong = wrong_gaussian<typename back::batch>(context);
        smc sampler{
            diamond::corrected_kernel{diamond::early_stop_kernel{diamond::gaussian_diamond_map{wrong}},
                                      right_density<typename back::batch>(context)},
            diamond::posterior_value{diamond::exact_posterior{wrong}, bowl_3d<real>(), {.samples = 2}},
            smc_options{.particles = particles, .steps = 4, .threshold = 0.9, .log_delta = -4.0}};
        auto result = sampler(context, philox{1});
        auto host = diamond::to_host(result.particles);
        result.particles = {};
        return std::pair{std::move(result), std::move(host)};
    };
    for (const index_t n : {100, 5003}) {
        const auto one = run(1, n), two = run(2, n);
        CHECK(numbers::same_bits(one.second, two.second));
        CHECK(numbers::same_bits(one.first.log_densities, two.first.log_densities));
        CHECK(numbers::same_bits(one.first.log_weights, two.first.log_weights));
        CHECK(one.first.log_z == two.first.log_z);
        CHECK(one.first.steps == two.first.steps);
    }
}

TEST_CASE("rewards, densities and tilted densities of results") {
    const diamond::eigen::context context{.threads = 1};
    const auto reward = bowl_3d<double>();
    auto density = right_density<batch>(context);
    auto corrected = corrected_smc(context, density, {.particles = 400, .steps = 4});
    const auto result = corrected(context, philox{12});
    REQUIRE(result.rewards.size() == 400);
    const auto tilted = diamond::tilted_log_densities(result);
    diamond::exact_value truth{gaussian<batch>(context), reward};
    const auto at_model = diamond::log_densities_of(density, result.particles.read());
    diamond::exact_density exact_tilted{diamond::linear_schedule{}, truth.tilted()};
    const auto wanted = diamond::log_densities_of(exact_tilted, result.particles.read());
    for (std::size_t j = 0; j < 400; ++j) {
        CHECK(result.rewards[j] == reward(result.particles.read().column(static_cast<index_t>(j))));
        CHECK(tilted[j] == doctest::Approx(at_model[j] + result.rewards[j] - result.log_z).epsilon(1e-12));
        // the tilted model's own density, but for the error of log Z
        CHECK(tilted[j] + result.log_z == doctest::Approx(wanted[j] + truth.log_z()).epsilon(1e-10));
    }
    // A run without weights carries none until it is given some, whose cost it then bears.
    const auto wrong = wrong_gaussian(context);
    smc plain{diamond::early_stop_kernel{solid{wrong}},
              diamond::posterior_value{diamond::exact_posterior{wrong}, reward, {.samples = 2}},
              smc_options{.particles = 50, .steps = 3}};
    auto bare = plain(context, philox{12});
    CHECK(bare.log_densities.empty());
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::tilted_log_densities(bare)),
                         Contains("50 particles with 0 log-densities: call add_log_densities"),
                         std::invalid_argument);
    const auto before = bare.spent;
    diamond::add_log_densities(bare, density);
    CHECK(bare.spent == before + diamond::cost{.forward = 50});
    CHECK(bare.log_densities == diamond::log_densities_of(density, bare.particles.read()));
    CHECK(diamond::tilted_log_densities(bare)[7] == bare.log_densities[7] + bare.rewards[7] - bare.log_z);
    // they replace what a weighted kernel has left
    auto replaced = corrected(context, philox{12});
    exact other{{}, wrong};
    diamond::add_log_densities(replaced, other);
    CHECK(replaced.log_densities == diamond::log_densities_of(other, replaced.particles.read()));

    auto stopped = corrected(context, philox{12}, {}, [](const auto& view) { return view.step < 2; });
    CHECK((stopped.rewards.empty() && stopped.log_densities.empty() && std::isnan(stopped.correction_ess)));
    CHECK((!stopped.exact_for_density && !stopped.exact_for_model && !stopped.exact_for_sampler));
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::tilted_log_densities(stopped)), Contains("incomplete"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::add_log_densities(stopped, density), Contains("incomplete"),
                         std::invalid_argument);
    auto spoilt_samples = diamond::to_host(result.particles);
    for (const double number : {diamond::not_a_number, diamond::infinity}) {
        spoilt_samples[3 * 17 + 1] = number;
        const auto some = batches::make<batch>(context, 3, 400, spoilt_samples);
        bool named = false;
        try {
            const auto densities = diamond::log_densities_of(density, some.read());
            named = densities[17] == -diamond::infinity && number == diamond::infinity; // which is right
        } catch (const diamond::numeric_error& error) {
            named = error.particle() == 17;
        }
        CHECK(named);
    }
    const auto flat = batches::normal<batch>(context, 2, 5, 1);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::log_densities_of(density, flat.read())),
                         Contains("2 rows for a density of dimension 3"), std::invalid_argument);
}

TEST_CASE("exact for the model is what the density says") {
    const diamond::eigen::context context{.threads = 1};
    const auto result = corrected_smc(
        context, corrections::altered(right_density<batch>(context), corrections::shift_end{0.0}),
        {.particles = 100, .steps = 3})(context, philox{13});
    CHECK((result.exact_for_density && !result.exact_for_model && !result.exact_for_sampler));
    CHECK(result.advice.empty()); // the pilot's draws are the chain's, whose Z is another
    const auto right = corrected_smc(context, right_density<batch>(context),
                                     {.particles = 100, .steps = 3})(context, philox{13});
    CHECK((right.exact_for_density && right.exact_for_model && !right.exact_for_sampler));
}

TEST_CASE("the pilot draws by the kernel alone, without a density") {
    const diamond::eigen::context context{.threads = 1};
    constexpr index_t n = 70, steps = 5, samples = 3, pilot = 20;
    const auto wrong = wrong_gaussian(context);
    const diamond::early_stop_kernel kernel{solid{wrong}};
    const diamond::posterior_value value{
        diamond::exact_posterior{wrong}, bowl_3d<double>(), {.samples = samples}};
    const smc_options options{.particles = n, .steps = steps, .pilot_particles = pilot, .plain_ratio = 0.0};
    const auto plain = smc{kernel, value, options}(context, philox{14});
    smc sampler{diamond::corrected_kernel{kernel, right_density<batch>(context)}, value, options};
    const auto corrected = sampler(context, philox{14});
    CHECK(corrected.log_delta == plain.log_delta);
    // It costs one density a particle and step more, and the pilot none.
    CHECK(corrected.spent == plain.spent + diamond::cost{.forward = n * steps});
    CHECK(sampler(context, philox{14}).spent == corrected.spent);
}

TEST_CASE(
    "warnings: a density that is off, and a correction that hangs on few draws; none where neither is so") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = gaussian<batch>(context);
    const auto right = right_density<batch>(context);
    const diamond::posterior_value value{diamond::exact_posterior{model}, bowl_3d<double>(), {.samples = 4}};
    const smc_options options{.particles = 500, .steps = 4};
    constexpr const char* off = "average exp(";
    constexpr const char* few = "hangs on few draws";
    const auto run = [&](const auto& map, const auto& density) {
        return smc{diamond::corrected_kernel{diamond::early_stop_kernel{map}, density}, value,
                   options}(context, philox{15});
    };
    // The same density, which does not claim to be the model's.
    const corrections::altered learned{right, corrections::shift_end{0.0}};

    for (const auto& result : {run(solid{model}, right), run(solid{wrong_gaussian(context)}, right)})
        CHECK((!warns(result, off) && !warns(result, few)));
    for (const auto& result : {run(solid{model}, learned), run(solid{wrong_gaussian(context)}, learned)})
        CHECK((!warns(result, off) && !warns(result, few)));

    // The draws' density off, by whichever density corrected; then the correcting density.
    CHECK(warns(run(boasting{solid{model}, 0.5}, learned), off));
    CHECK(warns(run(boasting{solid{model}, 0.5}, right), off));
    CHECK(warns(run(boasting{solid{model}, -0.5}, right), off));
    CHECK_FALSE(warns(run(boasting{solid{model}, 0.02}, right), off)); // over four steps below largest_miss
    // At each step it is below largest_miss; misses add up.
    CHECK(warns(run(boasting{solid{model}, 0.05}, right), "over the run"));
    CHECK(warns(run(solid{model}, corrections::altered(right, corrections::shift_end{0.6})), off));
    CHECK(run(boasting{solid{model}, 0.5}, right).steps.back().log_mean_correction ==
          doctest::Approx(-0.5).epsilon(1e-6));

    // A map nowhere near: 5 standard deviations off in the narrowest direction.
    const models::gaussian_numbers n;
    const auto far = run(
        solid{gaussian_of<batch>{context, {}, {n.mean[0], n.mean[1], n.mean[2] + 2.5}, n.covariance}}, right);
    CHECK(warns(far, few));
    CHECK(far.correction_ess < 50.0);
}

} // namespace align_corrected_test
