// Times of SMC from a small run, frozen and saved, for a measurement whose noise nobody told them: the error
// of log Z against equal steps and noise_ratio_time_grid at equal evaluations; the table of
// docs/which_method.md.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/smc_schedule.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

int run() {
    const diamond::eigen::context context{.threads = 2};
    std::vector<double> means(32, 1.0), variances(32, 0.3);
    for (std::size_t i = 0; i < 16; ++i) means[i] = -1.0, variances[i] = 0.5;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.5, 0.5}, means, variances};
    const diamond::exact_posterior draws{model};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const diamond::linear_schedule schedule;
    std::vector<float> seen;
    for (int i = 0; i < 8; ++i) seen.push_back(1.0f + 0.3f * std::sin(static_cast<float>(i)));
    const auto file = std::filesystem::temp_directory_path() / "diamond_fitted_schedule.json";

    bool better = true;
    std::printf("%-18s%7s%12s%12s%9s%9s%9s%12s\n", "rms error, 32 runs", "steps", "of the fit", "of a run",
                "fitted", "equal", "by s", "+ the fit's");
    const auto line = [&](const char* name, double s, auto value, double exact) {
        // [fit]
        const auto candidates = diamond::noise_ratio_time_grid(schedule, 512, {.first = 10.0, .last = 0.001});
        const auto fit = diamond::fit_smc_schedule(context, diamond::philox{1}, kernel, value,
                                                   {.times = candidates}, {.particles = 128});
        diamond::io::save_smc_schedule(file, fit.schedule);
        const diamond::smc_schedule frozen = diamond::io::load_smc_schedule(file); // in another program
        diamond::smc sampler{kernel,
                             diamond::annealed_value{value, frozen},
                             {.particles = 512, .times = frozen.times, .pilot_particles = 0}};
        // [/fit]
        const auto steps = static_cast<diamond::index_t>(frozen.betas.size());
        std::int64_t cost = 0;
        const auto error = [&](auto method) {
            double sum = 0.0;
            for (std::uint64_t k = 0; k < 32; ++k) {
                const auto result = method(context, diamond::philox{1}.split(k));
                sum += diamond::square(result.log_z - exact) / 32.0;
                cost = result.spent.evaluations();
            }
            return std::sqrt(sum);
        };
        const double fitted = error(sampler);
        const auto fit_cost = fit.spent.evaluations(), run_cost = cost;
        diamond::smc_options options{.particles = 512, .steps = steps, .pilot_particles = 0};
        const double equal = error(diamond::smc{kernel, value, options});
        options.times = diamond::noise_ratio_time_grid(schedule, steps, {.first = 3.0, .last = 0.5 * s});
        const double by_s = error(diamond::smc{kernel, value, options});
        options.times = {};
        options.particles = 512 * (run_cost + fit_cost) / run_cost;
        const double dearer = error(diamond::smc{kernel, value, options});
        std::printf("s = %.2f, %-8s%8ld%12ld%12ld%9.2f%9.2f%9.2f%12.2f\n", s, name, static_cast<long>(steps),
                    static_cast<long>(fit_cost), static_cast<long>(run_cost), fitted, equal, by_s, dearer);
        better &= s > 0.05 || fitted < 0.8 * equal;
    };
    for (const double s : {0.15, 0.05, 0.01}) {
        const diamond::mask_measurement<batch> mask{context, 16, {0, 1, 2, 3, 4, 5, 6, 7}};
        const diamond::gaussian_measurement_reward reward{context, mask, seen, s};
        const double exact = model.tilted(reward.quadratic_form()).log_z;
        line("moments", s, diamond::moment_value{draws, reward, {.samples = 4}}, exact);
        line("exact V", s, diamond::exact_value{model, reward}, exact);
    }
    std::filesystem::remove(file);
    return better ? 0 : 1;
}

int main() { return examples::run_main("fitted_schedule", run); }
