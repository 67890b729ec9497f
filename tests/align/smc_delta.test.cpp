/// Unbiased is not accurate: a reward that spreads over 20 nats, with one value sample. Right with delta,
/// warned of without.
#include "cases.hpp"

namespace align_smc_delta_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

namespace {

using batch = diamond::eigen::batch<double>;

struct outcome {
    std::vector<double> ratio, log_delta;
    index_t warned = 0, warned_of_range = 0;
};
template <class Sampler>
outcome many(Sampler sampler, const diamond::eigen::context& context, std::uint64_t runs, double log_z) {
    outcome out;
    for (std::uint64_t run = 0; run < runs; ++run) {
        const auto result = sampler(context, philox{314}.split(run));
        out.ratio.push_back(std::exp(result.log_z - log_z));
        out.log_delta.push_back(result.log_delta - log_z);
        out.warned += !result.warnings.empty();
        for (const auto& warning : result.warnings)
            out.warned_of_range += warning.find("nats") != std::string::npos;
    }
    const auto mean = statistics::average(out.ratio);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error, ", mean log(delta/Z) = ",
            out.log_delta[0] == -infinity ? -infinity : statistics::average(out.log_delta).value, ", warned ",
            out.warned, " of ", runs);
    return out;
}

} // namespace

TEST_CASE("a reward of 20 nats and one value sample: right with delta, warned of without") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto bowl = bowl_2d<double>(6.0);
    const double log_z = model.tilted(bowl.quadratic_form()).log_z;
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    const posterior_value value{exact_posterior{model}, bowl, {.samples = 1}};
    smc_options options{.particles = 256, .steps = 8};

    SUBCASE("the rewards of 256 draws spread over more than 20 nats") {
        batch draws(context, 2, 256);
        model.draw(philox{1}.stream(purpose::data), draws.mutable_view());
        double low = infinity, high = -infinity;
        for (index_t j = 0; j < 256; ++j) {
            const double r = bowl(draws.read().column(j));
            low = std::min(low, r);
            high = std::max(high, r);
        }
        CHECK(high - low > 20.0);
    }
    SUBCASE("without delta") {
        // The mean is as 1 as ever, but carried by runs that are not seen: nine runs of ten give less than
        // half of Z. And each says so.
        options.log_delta = -infinity;
        const auto runs = many(smc{kernel, value, options}, context, 300, log_z);
        const auto below = std::count_if(runs.ratio.begin(), runs.ratio.end(),
                                         [](double ratio) { return ratio < 0.5; });
        MESSAGE(below, " of 300 below Z/2");
        CHECK(below > 200);
        CHECK(runs.warned_of_range == 300);
    }
    SUBCASE("with delta = Z") {
        options.log_delta = log_z;
        const auto runs = many(smc{kernel, value, options}, context, 800, log_z);
        const auto mean = statistics::average(runs.ratio);
        CHECK(statistics::within(mean, 1.0));
        CHECK(mean.standard_error < 0.01);
        CHECK(runs.warned < 40);
    }
    SUBCASE("with the default, delta by a pilot") {
        const auto runs = many(smc{kernel, value, options}, context, 800, log_z);
        const auto mean = statistics::average(runs.ratio), delta = statistics::average(runs.log_delta);
        CHECK(statistics::within(mean, 1.0));
        CHECK(mean.standard_error < 0.01);
        CHECK(runs.warned < 40);
        CHECK(std::abs(delta.value) < 0.3);
    }
}

TEST_CASE("a hard constraint needs no floor of its own: delta does it") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    auto walled = tilt_2d<double>();
    walled.wall = 0.3;
    const auto tilted = model.tilted(walled.quadratic_form());
    const double log_z = tilted.log_z + log_probability_above(tilted.tilted, walled.wall);
    const auto runs = many(smc{ddpm_posterior_kernel{exact_posterior{model}},
                               posterior_value{exact_posterior{model}, walled},
                               smc_options{.particles = 128, .steps = 6}},
                           context, 2000, log_z);
    const auto mean = statistics::average(runs.ratio);
    CHECK(statistics::within(mean, 1.0));
    CHECK(mean.standard_error < 0.01);
}

TEST_CASE("an easy run is not warned of") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>(0.5);
    const double log_z = model.tilted(tilt.quadratic_form()).log_z;
    const auto runs = many(smc{ddpm_posterior_kernel{exact_posterior{model}},
                               posterior_value{exact_posterior{model}, tilt, {.samples = 4}}},
                           context, 40, log_z);
    CHECK(runs.warned == 0);
}

TEST_CASE("each warning says what was seen") {
    using diamond::smc_step;
    const auto warnings = [](const std::vector<smc_step>& steps, double variance) {
        std::vector<std::string> text;
        diamond::detail::warn_of_distrust(steps, 100, diamond::log_z_error::lee_whiteley, variance, false, {},
                                          text);
        return text;
    };
    const smc_step fine{
        .time = 0.5, .ess = 50.0, .least_increment = -3.0, .largest_increment = 4.0, .largest_share = 0.05};
    CHECK(warnings({fine, fine}, 0.05).empty());
    auto thin = fine, heavy = fine, wide = fine, flat = fine;
    flat.floored = 12;
    thin.ess = 0.75;
    heavy.largest_share = 0.625;
    wide.least_increment = -12.0;
    CHECK(warnings({wide, fine}, 0.0).empty()); // half of the particles agree
    wide.ess = 20.0;
    const auto one = [&](const std::vector<smc_step>& steps, double variance) {
        const auto text = warnings(steps, variance);
        REQUIRE(text.size() == 1);
        return text.front();
    };
    CHECK(one({fine, thin, fine}, 0.0).find("fell to 0.75 of 100 at t = 0.5") != std::string::npos);
    CHECK(one({fine, heavy}, 0.0).find("62.5 % of the weight at t = 0.5") != std::string::npos);
    CHECK(one({wide, fine}, 0.0).find("differ by 16 nats at t = 0.5") != std::string::npos);
    CHECK(warnings({fine, wide}, 0.0).empty()); // at the last step nothing is resampled
    CHECK(one({fine, flat}, 0.0).find("12 of 100 values were at the floor at t = 0.5") != std::string::npos);
    for (const auto& [variance, words] :
         {std::pair{0.2, "relative variance of Z is 0.2"},
          {-0.02, "relative variance of Z is -0.02 by the formula of Lee and Whiteley"}}) {
        const auto text = one({fine, fine}, variance);
        CHECK(text.find(words) != std::string::npos);
        CHECK(text.find("rng.split(k)") != std::string::npos);
        CHECK(text.find("combine_islands") != std::string::npos);
    }
    CHECK(warnings({thin, heavy, wide, fine}, 0.2).size() == 4);
    CHECK(warnings({}, NAN).empty());
}

} // namespace align_smc_delta_test
