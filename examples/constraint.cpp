// A hard constraint as a reward: -inf forbids a sample, and Z is the probability of what is allowed.
#include <cmath>
#include <cstdio>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.7, 0.3}, {-1, 0, 1, 1}, {0.25, 0.25}};

    // [program]
    // Only samples with x > 1.5 are allowed.
    const auto allowed = [](diamond::column_view<const float> z) {
        return z[0] > 1.5f ? 0.0 : -diamond::infinity;
    };
    const diamond::exact_posterior posterior{model};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, allowed, {.samples = 8}},
                         {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    int broken = 0; // particles that break the constraint and have a weight nevertheless
    const auto weights = result.weights();
    for (std::size_t j = 0; j < weights.size(); ++j)
        broken += weights[j] > 0.0 && result.particles.data()[2 * j] <= 1.5f;
    // P(x > a) of N(m, v) is erfc((a - m) / sqrt(2 v)) / 2.
    const double probability = 0.7 * 0.5 * std::erfc(2.5 / std::sqrt(0.5)) +
                               0.3 * 0.5 * std::erfc(0.5 / std::sqrt(0.5));
    std::printf("log Z %.3f +- %.3f, exactly %.3f; %d particles break the constraint\n", result.log_z,
                result.log_z_standard_error, std::log(probability), broken);
    for (const auto& warning : result.warnings) std::printf("warning: %s\n", warning.c_str());
    return broken == 0 && std::abs(result.log_z - std::log(probability)) < 5.0 * result.log_z_standard_error
             ? 0
             : 1;
}

int main() { return examples::run_main("constraint", run); }
