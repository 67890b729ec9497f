/// Whole programs on a device, put together from the generic parts alone: what they compute is known exactly.
#include <algorithm>
#include <tuple>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace cuda_programs_test {

using diamond::index_t, diamond::philox;

/// A user's reward that names no back end.
struct tilt {
    static constexpr bool column_parallel = true;
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return 0.8 * z[0] - 0.5 * z[1];
    }
};

namespace {
template <class Context>
diamond::gaussian_mixture<diamond::owning_batch<double, Context>, diamond::linear_schedule> mixture(
    const Context& context) {
    return {context,
            {},
            {0.5, 0.3, 0.2},
            {-1.0, 0.5, 1.5, -0.5, 0.2, -1.4},
            {0.16, 0.36, 0.25, 0.09, 0.04, 0.49}};
}
/// That mixture times exp(c . z): log Z and the mean.
struct tilted_mixture {
    double log_z = 0.0, mean[2] = {};

    tilted_mixture() {
        const double weight[] = {0.5, 0.3, 0.2}, centre[] = {-1.0, 0.5, 1.5, -0.5, 0.2, -1.4},
                     variance[] = {0.16, 0.36, 0.25, 0.09, 0.04, 0.49}, c[] = {0.8, -0.5};
        double z = 0.0;
        for (int k = 0; k < 3; ++k) {
            double exponent = 0.0;
            for (int i = 0; i < 2; ++i)
                exponent += c[i] * (centre[2 * k + i] + 0.5 * c[i] * variance[2 * k + i]);
            const double part = weight[k] * std::exp(exponent);
            z += part;
            for (int i = 0; i < 2; ++i) mean[i] += part * (centre[2 * k + i] + c[i] * variance[2 * k + i]);
        }
        log_z = std::log(z);
        for (double& m : mean) m /= z;
    }
};
constexpr diamond::smc_options options{.particles = 4096, .steps = 6};

template <class Result>
void check_log_z(const Result& result) {
    CHECK(result.log_z_standard_error < 0.1);
    CHECK(std::abs(result.log_z - tilted_mixture().log_z) < 4.5 * result.log_z_standard_error);
}
} // namespace

TEST_CASE("SMC with the DDPM posterior") {
    const diamond::cuda::context context;
    const diamond::exact_posterior sampler{mixture(context)};
    diamond::smc program{diamond::ddpm_posterior_kernel{sampler},
                         diamond::posterior_value{sampler, tilt{}, {.samples = 4}}, options};
    check_log_z(program(context, philox{1}));
}

// Weights differ by some 1e-14 of themselves; that one of the 1e5 places where draws meet sums of weights,
// 1/4096 apart, lies between: 4e-6.
TEST_CASE_TEMPLATE("the same seed has the CPU's ancestors", Resampler, diamond::systematic,
                   diamond::stratified, diamond::multinomial, diamond::residual) {
    const auto run = [](const auto& context) {
        const diamond::exact_posterior sampler{mixture(context)};
        auto recording = options;
        recording.threshold = 0.9;
        recording.record_ancestors = true;
        diamond::smc program{diamond::ddpm_posterior_kernel{sampler},
                             diamond::posterior_value{sampler, tilt{}, {.samples = 4}}, recording,
                             Resampler{}};
        return program(context, philox{6});
    };
    const diamond::eigen::context cpu{.threads = 2};
    const diamond::cuda::context gpu;
    const auto here = run(cpu);
    const auto there = run(gpu);
    CHECK(std::any_of(here.ancestors.begin(), here.ancestors.end(),
                      [](const auto& step) { return !step.empty(); }));
    CHECK(there.ancestors == here.ancestors);
    CHECK(there.families == here.families);
    CHECK(std::abs(there.log_z - here.log_z) < 1e-10);
}

// The candidates for beta are 19 % apart, and an accepted move needs a logarithm below a difference of
// rewards: rounding of 1e-12 decides neither on this seed.
TEST_CASE("guided proposals, values in part and renoised chains are the CPU's") {
    const auto run = [](const auto& context) {
        using batch = diamond::owning_batch<double, std::remove_cvref_t<decltype(context)>>;
        const auto model = mixture(context);
        const diamond::exact_posterior sampler{model};
        const diamond::ddpm_posterior_kernel kernel{sampler};
        const diamond::gaussian_measurement_reward reward{
            context, diamond::mask_measurement<batch>{context, 2, {0}}, std::vector<double>{0.4}, 0.3};
        const diamond::denoised_moment_value value{
            context, diamond::linear_schedule{}, model, reward, {.variance = 0.3}};
        auto relaxed = options;
        relaxed.particles = 500;
        relaxed.threshold = 0.9;
        relaxed.least_conditional_ess = 0.97;
        diamond::smc measured{
            diamond::measurement_guided_kernel{context, kernel, model, reward, {.variance = 0.3}}, value,
            relaxed};
        diamond::smc shifted{diamond::value_guided_kernel{kernel, value}, value, relaxed};
        diamond::renoise_chain chain{sampler, reward, {.particles = 300, .adaptation = 4, .steps = 6}};
        return std::tuple{measured(context, philox{7}), shifted(context, philox{8}),
                          chain(context, philox{9})};
    };
    const diamond::eigen::context cpu{.threads = 2};
    const diamond::cuda::context gpu;
    const auto [measured, shifted, chain] = run(cpu);
    const auto [measured_there, shifted_there, chain_there] = run(gpu);
    const auto same = [](const auto& here, const auto& there) {
        CHECK(there.families == here.families);
        CHECK(std::abs(there.log_z - here.log_z) < 1e-9);
        bool in_part = false;
        REQUIRE(there.steps.size() == here.steps.size());
        for (std::size_t k = 0; k < here.steps.size(); ++k) {
            CHECK(there.steps[k].relaxation == here.steps[k].relaxation);
            in_part = in_part || here.steps[k].relaxation < 1.0;
        }
        CHECK(in_part);
    };
    same(measured, measured_there);
    same(shifted, shifted_there);
    const auto x = diamond::to_host(chain.particles), y = diamond::to_host(chain_there.particles);
    double furthest = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) furthest = std::max(furthest, std::abs(x[i] - y[i]));
    CHECK(furthest < 1e-9);
    CHECK(chain_there.acceptance == chain.acceptance);
    CHECK(std::abs(chain_there.r_hat - chain.r_hat) < 1e-9);
}

TEST_CASE("SMC with GLASS transitions by ODE") {
    const diamond::cuda::context context;
    const auto model = mixture(context);
    const diamond::exact_posterior sampler{model};
    diamond::smc program{
        diamond::glass_kernel{diamond::linear_schedule{}, model, diamond::runge_kutta_4{.steps = 4}},
        diamond::posterior_value{sampler, tilt{}, {.samples = 4}}, options};
    check_log_z(program(context, philox{2}));
}

TEST_CASE("SMC with the weighted Diamond value") {
    const diamond::cuda::context context;
    const auto model = mixture(context);
    const diamond::exact_posterior sampler{model};
    diamond::smc program{diamond::ddpm_posterior_kernel{sampler},
                         diamond::weighted_value{diamond::best_density(diamond::linear_schedule{}, model),
                                                 diamond::ode_flow_map{model, diamond::heun{.steps = 4}},
                                                 tilt{},
                                                 {.samples = 4}},
                         options};
    check_log_z(program(context, philox{3}));
}

TEST_CASE("SMC with the map of another mixture, which corrects itself by the density of this one") {
    const diamond::cuda::context context;
    const diamond::linear_schedule schedule;
    const auto model = mixture(context);
    const diamond::gaussian_mixture<diamond::cuda::batch<double>, diamond::linear_schedule> other{
        context, schedule, {0.4, 0.6}, {-0.8, 0.4, 1.0, -0.7}, {0.4, 0.5, 0.5, 0.6}};
    const diamond::glass_diamond_map map{schedule, diamond::exact_divergence{other},
                                         diamond::runge_kutta_4{.steps = 8}};
    const diamond::exact_density density{schedule, model};
    diamond::smc program{
        diamond::corrected_kernel{diamond::early_stop_kernel{map}, density},
        diamond::posterior_value{diamond::corrected_posterior{diamond::diamond_map_posterior{map}, density},
                                 tilt{},
                                 {.samples = 2}},
        {.particles = 1024, .steps = 3}};
    const auto result = program(context, philox{5});
    check_log_z(result);
    CHECK_FALSE(result.exact_for_density); // a solver's density is nearly, not quite, that of its draws
    CHECK(result.correction_ess > 100.0);
    CHECK(result.log_densities.size() == 1024);
}

TEST_CASE("guidance") {
    const diamond::cuda::context context;
    const auto model = mixture(context);
    const diamond::exact_posterior sampler{model};
    diamond::guidance program{
        model, diamond::posterior_value{sampler, tilt{}, {.samples = 64}}, {.particles = 4096, .steps = 16}};
    const auto result = program(context, philox{4});
    CHECK(result.complete);
    const auto z = diamond::to_host(result.particles);
    double mean[2] = {};
    for (std::size_t k = 0; k < z.size(); ++k) mean[k % 2] += z[k] / 4096.0;
    // 4.5 standard errors of a coordinate of deviation 1.2 are 0.08; 64 draws and 16 steps err by less than
    // 0.02.
    for (int i = 0; i < 2; ++i) CHECK(std::abs(mean[i] - tilted_mixture().mean[i]) < 0.1);
}

} // namespace cuda_programs_test
