/// SMC with a kernel that corrects itself: the chain may be wrong, the target is that of the density.
#include <diamond/align/log_densities.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <support/back_ends.hpp>

#include "cases.hpp"
#include "results.hpp"

using namespace cases;
using diamond::smc, diamond::smc_options, doctest::Contains;

namespace {

using batch = diamond::eigen::batch<double>;
using solid = diamond::gaussian_diamond_map<batch, diamond::linear_schedule>;

diamond::gaussian<batch, diamond::linear_schedule> wrong_gaussian(const diamond::eigen::context& context) {
    return {context, {}, {0.4, -0.9, 0.6}, {1.5, 0.2, 0.0, 0.2, 0.9, 0.1, 0.0, 0.1, 0.5}};
}

} // namespace

TEST_CASE("an exact kernel is left as it is: its corrections are 1, and the run is the plain one's") {
    const diamond::eigen::context context{.threads = 1};
    const auto model = gaussian<batch>(context);
    const diamond::early_stop_kernel kernel{solid{model}};
    const diamond::exact_density density{diamond::linear_schedule{}, model};
    const diamond::posterior_value value{diamond::exact_posterior{model}, bowl_3d<double>(), {.samples = 2}};
    const smc_options options{.particles = 200, .steps = 6};
    smc plain{kernel, value, options};
    smc corrected{diamond::corrected_kernel{kernel, density}, value, options};
    const auto a = plain(context, philox{3}), b = corrected(context, philox{3});
    CHECK(b.log_z == doctest::Approx(a.log_z).epsilon(1e-10));
    CHECK(statistics::largest_error(diamond::to_host(a.particles), diamond::to_host(b.particles)) < 1e-9);
    for (const auto& step : b.steps) {
        CHECK(step.correction_ess == doctest::Approx(200.0).epsilon(1e-9));
        CHECK(std::abs(step.log_mean_correction) < 1e-10);
    }
    CHECK(b.exact_for_density);
    CHECK_FALSE(b.exact_for_sampler);
    CHECK(b.exact_for_model);
}

TEST_CASE("a wrong kernel, corrected, reaches the model's Z") {
    const diamond::eigen::context context{.threads = 2};
    const auto model = gaussian<batch>(context), wrong = wrong_gaussian(context);
    const auto reward = bowl_3d<double>();
    const double log_z = diamond::exact_value(model, reward).log_z();
    const diamond::early_stop_kernel kernel{solid{wrong}};
    const diamond::exact_density density{diamond::linear_schedule{}, model};
    const diamond::posterior_value value{diamond::exact_posterior{wrong}, reward, {.samples = 2}};
    smc plain{kernel, value, smc_options{.particles = 512, .steps = 6}};
    smc corrected{diamond::corrected_kernel{kernel, density}, value, smc_options{.particles = 512, .steps = 6}};
    const auto off = statistics::average(ratios(plain, context, 64, log_z, 5)), right = statistics::average(ratios(corrected, context, 64, log_z, 5));
    std::printf("Z-hat/Z: %.4f +- %.4f by the wrong kernel, %.4f +- %.4f corrected\n", off.value, off.standard_error, right.value, right.standard_error);
    CHECK(statistics::within(right, 1.0));
    CHECK_FALSE(statistics::within(off, 1.0, 8.0));
}
