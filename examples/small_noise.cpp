// A measurement with little noise: the error of log Z by posterior, moment and exact values, on equal times
// and on times by noise_ratio_time_grid; the table of docs/which_method.md.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

int run() {
    const diamond::eigen::context context{.threads = 2};
    std::vector<double> means(32, 1.0), variances(32, 0.3);
    for (std::size_t i = 0; i < 16; ++i) means[i] = -1.0, variances[i] = 0.5;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.5, 0.5}, means, variances};
    const diamond::exact_posterior draws{model};
    std::vector<float> seen;
    for (int i = 0; i < 8; ++i) seen.push_back(1.0f + 0.3f * std::sin(static_cast<float>(i)));

    bool near = true;
    std::printf("%-46s%10s%10s%10s%10s\n", "rms error of log Z over 16 runs", "exact", "posterior", "moments",
                "exact V");
    for (const double s : {0.2, 0.05, 0.01}) {
        // [measurement]
        const diamond::mask_measurement<batch> mask{context, 16, {0, 1, 2, 3, 4, 5, 6, 7}};
        const diamond::gaussian_measurement_reward reward{context, mask, seen, s};
        const diamond::ddpm_posterior_kernel kernel{draws};
        const diamond::moment_value moments{draws, reward, {.samples = 4}};
        const auto times = diamond::noise_ratio_time_grid(diamond::linear_schedule{}, 32,
                                                          {.first = 3.0, .last = 0.5 * s});
        diamond::smc sampler{kernel, moments, {.particles = 512, .times = times}};
        // [/measurement]
        const diamond::posterior_value posterior{draws, reward, {.samples = 4}};
        const diamond::exact_value v{model, reward};
        const double exact = model.tilted(reward.quadratic_form()).log_z;
        const auto error = [&](auto& method) {
            double sum = 0.0;
            for (std::uint64_t k = 0; k < 16; ++k) {
                const double log_z = method(context, diamond::philox{1}.split(k)).log_z;
                sum += diamond::square(log_z - exact) / 16.0;
            }
            return std::sqrt(sum);
        };
        const auto line = [&](const char* grid, const diamond::smc_options& options) {
            diamond::smc by_posterior{kernel, posterior, options};
            diamond::smc by_moments{kernel, moments, options};
            diamond::smc by_v{kernel, v, options};
            std::printf("s = %.2f, %-36s%10.2f%10.2f%10.2f%10.2f\n", s, grid, exact, error(by_posterior),
                        error(by_moments), error(by_v));
        };
        line("8 equal steps", {.particles = 512, .steps = 8});
        line("32 equal steps", {.particles = 512, .steps = 32});
        line("32 steps by noise_ratio_time_grid", {.particles = 512, .times = times});
        near &= error(sampler) < 2.0;
    }
    return near ? 0 : 1;
}

int main() { return examples::run_main("small_noise", run); }
