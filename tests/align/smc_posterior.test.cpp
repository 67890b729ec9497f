/// The weighted particles of SMC are draws of the tilted mixture: its means, covariances and component
/// weights.
///
/// 60 runs; each run's weighted sum counts with its Z-hat, so the estimate is a ratio of unbiased numbers,
/// whose own bias is a 60th of one run's and far below the error. The error is that of the ratio over
/// runs; 4.5 of it: by chance one of the 32 moments fails once in 4,600 seeds.
#include "moments.hpp"

namespace align_smc_posterior_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

namespace {

using batch = diamond::eigen::batch<double>;

template <class Sampler, class Model>
void check_moments(Sampler sampler, const diamond::eigen::context& context, const Model& tilted, double log_z,
                   double largest_error) {
    constexpr std::uint64_t runs = 60;
    const mixture_moments moments(tilted);
    std::vector<std::vector<double>> sums; // of each run: Z-hat/Z times the weighted mean
    std::vector<double> ratio;
    for (std::uint64_t run = 0; run < runs; ++run) {
        const auto result = sampler(context, philox{17}.split(run));
        const auto weights = result.weights();
        const auto each = moments.of_each(result.particles);
        ratio.push_back(std::exp(result.log_z - log_z));
        std::vector<double> sum(moments.truth().size());
        for (std::size_t j = 0; j < weights.size(); ++j)
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += ratio.back() * weights[j] * each[j][i];
        sums.push_back(std::move(sum));
    }
    const double total = statistics::average(ratio).value;
    for (std::size_t i = 0; i < moments.truth().size(); ++i) {
        CAPTURE(i);
        const double truth = moments.truth()[i];
        const auto residual = statistics::average(static_cast<index_t>(runs), [&](index_t run) {
            const auto r = static_cast<std::size_t>(run);
            return (sums[r][i] - ratio[r] * truth) / total;
        });
        CAPTURE(truth);
        CHECK(statistics::within(residual, 0.0));
        CHECK(residual.standard_error < largest_error);
    }
}

} // namespace

TEST_CASE("SMC draws the tilted mixture") {
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule;
    const auto model = mixture<batch>(context);
    const exact_posterior sampler{model};
    const auto tilt = tilt_2d<double>(), bowl = bowl_2d<double>();
    const auto tilted = model.tilted(tilt.quadratic_form()), bowled = model.tilted(bowl.quadratic_form());

    SUBCASE("linear reward, all defaults but the size") {
        check_moments(smc{ddpm_posterior_kernel{sampler}, posterior_value{sampler, tilt, {.samples = 2}},
                          smc_options{.particles = 2000, .steps = 6}},
                      context, tilted.tilted, tilted.log_z, 0.01);
    }
    SUBCASE("quadratic reward, multinomial resampling at every step, no delta") {
        check_moments(
            smc{diamond::renoise_kernel{sampler}, posterior_value{sampler, bowl, {.samples = 2}},
                smc_options{.particles = 2000, .steps = 6, .threshold = 2.0, .log_delta = -infinity},
                diamond::multinomial{}},
            context, bowled.tilted, bowled.log_z, 0.01);
    }
    SUBCASE("a wrong posterior's value") {
        check_moments(
            smc{ddpm_posterior_kernel{sampler},
                posterior_value{exact_posterior{wrong_mixture<batch>(context)}, tilt, {.samples = 2}},
                smc_options{.particles = 2000, .steps = 6, .log_delta = -infinity}, diamond::stratified{}},
            context, tilted.tilted, tilted.log_z, 0.01);
    }
    SUBCASE("GLASS by ODE, weighted value") {
        // The kernel's own error, of two RK4 steps a transition, is below what the test can see.
        const diamond::ode_flow_map flow{model, diamond::heun{.steps = 4}};
        check_moments(
            smc{diamond::glass_kernel{schedule, model, diamond::runge_kutta_4{.steps = 2}},
                diamond::weighted_value{diamond::best_density(schedule, model), flow, bowl, {.samples = 2}},
                smc_options{.particles = 500, .steps = 8}, diamond::residual{}},
            context, bowled.tilted, bowled.log_z, 0.02);
    }
}

} // namespace align_smc_posterior_test
