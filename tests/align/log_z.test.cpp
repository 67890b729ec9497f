/// The standard error of log Z against the spread of log Z over many runs.
#include <cmath>

#include "cases.hpp"

namespace align_log_z_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::log_z_error,
    diamond::posterior_value, diamond::smc, diamond::smc_options;

namespace {

using batch = diamond::eigen::batch<double>;

struct errors {
    double reported, empirical, islands;
};
/// Root mean square of the reported errors, the spread of log Z, and the root mean square error that 20
/// islands report, for the mean.
template <class Sampler>
errors errors_of(Sampler sampler, const diamond::eigen::context& context, std::uint64_t runs) {
    std::vector<double> log_z, variance, of_islands;
    for (std::uint64_t run = 0; run < runs; ++run) {
        const auto result = sampler(context, philox{55}.split(run));
        log_z.push_back(result.log_z);
        variance.push_back(diamond::square(result.log_z_standard_error));
        if (run % 20 == 19)
            of_islands.push_back(
                20.0 * diamond::square(diamond::combine_islands(std::span(log_z).last(20)).standard_error));
    }
    const double empirical = statistics::average(log_z).standard_error * std::sqrt(static_cast<double>(runs));
    return {std::sqrt(statistics::average(variance).value), empirical,
            std::sqrt(statistics::average(of_islands).value)};
}

} // namespace

TEST_CASE("the reported error of log Z is that of many runs, where the relative variance is below 0.1") {
    // The spread of 1,200 runs is known to 2.0 % (one standard deviation of a normal sample's), and the
    // reported error to less: 20 % is ten of these. What the bounds hold is the estimator's own error.
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>(), bowl = bowl_2d<double>(2.0);
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    const exact_posterior sampler{model};
    using value = posterior_value<exact_posterior<mixture_of<batch>>, form_reward<double>>;
    struct setting {
        const char* name;
        value v;
        double threshold;
        double log_delta;
    };
    const double none = -infinity;
    const setting settings[] = {{"tilt, 4 samples", value{sampler, tilt, {.samples = 4}}, 0.5, none},
                                {"tilt, 4 samples, always", value{sampler, tilt, {.samples = 4}}, 2.0, none},
                                {"tilt, 1 sample, delta", value{sampler, tilt, {.samples = 1}}, 0.5,
                                 model.tilted(tilt.quadratic_form()).log_z - 2.0},
                                {"bowl, 8 samples", value{sampler, bowl, {.samples = 8}}, 0.5, none},
                                {"bowl, never", value{sampler, bowl, {.samples = 1}}, 0.0, none}};
    for (const auto& s : settings)
        for (const auto which : one_of::every_resampling) {
            const one_of::resampler r{which};
            const auto e = errors_of(
                smc{kernel, s.v,
                    smc_options{
                        .particles = 256, .steps = 6, .threshold = s.threshold, .log_delta = s.log_delta},
                    r},
                context, 1200);
            const std::string setting_name = s.name, resampler_name = r.name();
            MESSAGE(setting_name, ", ", resampler_name, ": reported ", e.reported, ", empirical ",
                    e.empirical, ", ratio ", e.reported / e.empirical, ", islands ", e.islands / e.empirical);
            REQUIRE(diamond::square(e.empirical) < 0.1);
            const bool exact = which == one_of::resampling::multinomial || s.threshold == 0.0;
            CHECK(std::abs(e.reported / e.empirical - 1.0) < (exact ? 0.2 : 1.0 / 3.0));
            CHECK(std::abs(e.islands / e.empirical - 1.0) < 0.2);
        }
}

TEST_CASE(
    "where each of many steps resamples, the error of other resamplers is too large, by less than half") {
    // As above, 1,200 runs tell the ratio to 2.0 %: the bounds are more than five of these from what was
    // measured, 1.22 (systematic) and 1.28 (stratified).
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const posterior_value v{exact_posterior{model}, tilt_2d<double>(), {.samples = 4}};
    for (const auto which : {one_of::resampling::stratified, one_of::resampling::systematic}) {
        const auto e = errors_of(
            smc{ddpm_posterior_kernel{exact_posterior{model}}, v,
                smc_options{.particles = 256, .steps = 16, .threshold = 2.0, .log_delta = -infinity},
                one_of::resampler{which}},
            context, 1200);
        MESSAGE("ratio ", e.reported / e.empirical);
        CHECK(e.reported / e.empirical > 1.05);
        CHECK(e.reported / e.empirical < 1.5);
        CHECK(std::abs(e.islands / e.empirical - 1.0) < 0.2);
    }
}

TEST_CASE("relative variance of Z-hat: the formulas") {
    // No resampling: both are the sample variance of the mean, (N F - 1)/(N - 1).
    CHECK(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 0.25, 5, 0) ==
          doctest::Approx((5 * 0.25 - 1.0) / 4.0));
    CHECK(diamond::relative_variance_of_z(log_z_error::family_weights, 0.25, 5, 3) ==
          doctest::Approx((5 * 0.25 - 1.0) / 4.0));
    CHECK(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 0.1, 50, 3) ==
          doctest::Approx(1.0 - std::pow(50.0 / 49.0, 4) * 0.9));
    CHECK(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 1e-6, 1'000'000, 0) ==
          doctest::Approx(0.0).epsilon(1e-12));
    // Families as many as particles after three resamplings: unbiased, and below 0. Equal weights: 0, not
    // what rounding leaves of it.
    CHECK(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 0.02, 50, 3) ==
          doctest::Approx(1.0 - std::pow(50.0 / 49.0, 4) * 0.98));
    CHECK(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 0.02, 50, 3) < 0.0);
    for (const auto method : {log_z_error::lee_whiteley, log_z_error::family_weights})
        for (index_t n = 2; n < 300; ++n) {
            const std::vector<double> equal(static_cast<std::size_t>(n), 1.0 / static_cast<double>(n));
            std::vector<std::int32_t> own(static_cast<std::size_t>(n));
            for (index_t j = 0; j < n; ++j) own[static_cast<std::size_t>(j)] = static_cast<std::int32_t>(j);
            CHECK(diamond::relative_variance_of_z(method, diamond::family_square(equal, own), n, 0) == 0.0);
        }
    CHECK(std::isnan(diamond::relative_variance_of_z(log_z_error::lee_whiteley, 1.0, 1, 0)));
    CHECK(std::isnan(diamond::relative_variance_of_z(log_z_error::family_weights, 1.0, 1, 0)));
}

TEST_CASE("where Lee and Whiteley's variance is negative there is no standard error, and a warning") {
    // Flat rewards, resampled at every step: few particles share an ancestor, and the formula's correction is
    // too much.
    const diamond::eigen::context context{.threads = 1};
    const exact_posterior sampler{mixture<batch>(context)};
    const form_reward<double> flat{{1e-3, 0.0}, {0.0, 0.0}};
    smc run{ddpm_posterior_kernel{sampler}, posterior_value{sampler, flat},
            smc_options{.particles = 20, .steps = 4, .threshold = 2.0, .log_delta = -infinity},
            diamond::multinomial{}};
    index_t negative = 0, positive = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const auto result = run(context, philox{seed});
        const double variance = diamond::relative_variance_of_z(
            log_z_error::lee_whiteley, diamond::family_square(result.weights(), result.families), 20, 3);
        const bool warned = std::any_of(result.warnings.begin(), result.warnings.end(),
                                        [&](const auto& w) { return w == result.one_run_warning; });
        const bool trusted = variance >= 0.0 && variance <= diamond::trusted_relative_variance;
        CHECK(warned == !trusted);
        CHECK(result.reliable == trusted);
        CHECK(std::isnan(result.log_z_standard_error) == !trusted);
        if (trusted) CHECK(result.log_z_standard_error == std::sqrt(variance));
        ++(variance < 0.0 ? negative : positive);
    }
    CHECK(negative > 0);
    CHECK(positive > 0);
}

TEST_CASE("F adds up the weights of a family") {
    const std::vector<double> weights{0.1, 0.2, 0.3, 0.4};
    const std::vector<std::int32_t> families{2, 0, 2, 2};
    CHECK(diamond::family_square(weights, families) == doctest::Approx(0.2 * 0.2 + 0.8 * 0.8));
}

TEST_CASE("islands: the mean of Z and its error from their spread") {
    const std::vector<double> log_z{std::log(1.0) - 800.0, std::log(3.0) - 800.0, -infinity};
    const auto all = diamond::combine_islands(log_z);
    CHECK(all.log_z == doctest::Approx(std::log(4.0 / 3.0) - 800.0));
    // values 1, 3, 0: mean 4/3, sample variance 7/3, error of the mean sqrt(7/9), too large to be one
    CHECK(std::isnan(all.standard_error));
    CHECK(all.spread == infinity);
    REQUIRE(all.shares.size() == 3);
    CHECK(std::abs(all.shares[0] - 0.25) < 1e-12);
    CHECK(std::abs(all.shares[1] - 0.75) < 1e-12);
    CHECK(all.shares[2] == 0.0);
    // values 1, 3/2: mean 5/4, sample variance 1/8, error of the mean 1/4
    const auto two = diamond::combine_islands(std::vector<double>{0.0, std::log(1.5)});
    CHECK(two.standard_error == doctest::Approx(0.25 / 1.25).epsilon(1e-12));
    CHECK(two.spread == doctest::Approx(std::log(1.5) / std::sqrt(2.0)).epsilon(1e-12));
    CHECK(two.shares[1] == doctest::Approx(0.6).epsilon(1e-12));
    CHECK(all.method == log_z_error::islands);
    const std::vector<double> dead{-infinity, -infinity};
    CHECK(diamond::combine_islands(dead).log_z == -infinity);
    CHECK(std::isnan(diamond::combine_islands(dead).standard_error));
    REQUIRE(diamond::combine_islands(dead).warnings.size() == 1);
    CHECK(diamond::combine_islands(dead).warnings[0].find("the weights of all 2 runs died") !=
          std::string::npos);
    CHECK(all.warnings.size() == 1); // a relative variance of 0.44
    CHECK(diamond::combine_islands(std::vector<double>{1.0, 1.1}).warnings.empty());
    for (const double bad : {std::nan(""), infinity}) {
        const std::vector<double> with{1.0, 1.1, bad};
        CHECK_THROWS_WITH_AS(std::ignore = diamond::combine_islands(with),
                             doctest::Contains("log Z of run 2 is "), std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(std::ignore = diamond::combine_islands(std::span(log_z).first(1)),
                         doctest::Contains("islands: 1 runs"), std::invalid_argument);
}

TEST_CASE("every method has a name") {
    CHECK(std::string(diamond::name_of(log_z_error::lee_whiteley)) == "Lee and Whiteley");
    CHECK(std::string(diamond::name_of(log_z_error::family_weights)) == "family weights");
    CHECK(std::string(diamond::name_of(log_z_error::islands)) == "islands");
    CHECK(std::string(diamond::name_of(log_z_error::none)) == "none");
}

TEST_CASE("a resampler that names no formula for one run gives none: NaN, and not another's") {
    using diamond::log_z_error;
    for (const auto method : {log_z_error::none, log_z_error::islands})
        CHECK(std::isnan(diamond::relative_variance_of_z(method, 0.01, 200, 3)));
    CHECK(diamond::relative_variance_of_z(log_z_error::family_weights, 0.01, 200, 3) > 0.0);
}

} // namespace align_log_z_test
