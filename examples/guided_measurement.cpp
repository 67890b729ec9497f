// A measurement by guided proposals, held against plain importance sampling at equal evaluations: the table
// of docs/which_method.md.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using model_type = diamond::gaussian_mixture<batch, diamond::linear_schedule>;
const diamond::eigen::context context{.threads = 2};

/// The first coordinates are seen with noise s. Returns the error of guided runs over that of plain ones.
double compare(const char* name, const model_type& model, const std::vector<float>& seen, double s,
               double v) {
    std::vector<diamond::index_t> coordinates(seen.size());
    std::iota(coordinates.begin(), coordinates.end(), 0);
    const diamond::mask_measurement<batch> mask{context, model.dimension(), coordinates};
    const diamond::gaussian_measurement_reward reward{context, mask, seen, s};
    const diamond::exact_posterior draws{model};
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("%s, log Z = %.1f\n", name, exact);
    const auto line = [&](const char* method, auto& sampler) {
        double error = 0.0, effective = 0.0, evaluations = 0.0, warned = 0.0;
        for (std::uint64_t k = 0; k < 32; ++k) {
            const auto run = sampler(context, diamond::philox{2}.split(k));
            error += diamond::square(run.log_z - exact) / 32.0;
            effective += 1.0 / diamond::family_square(run.weights(), run.families) / 32.0;
            evaluations += static_cast<double>(run.spent.evaluations()) / 32.0;
            warned += run.reliable ? 0.0 : 1.0;
        }
        std::printf(
            "  %-38s rms error %7.2f   effective draws per 1,000 %6.3f   evaluations %6.0f   warned %2.0f\n",
            method, std::sqrt(error), 1000.0 * effective / evaluations, evaluations, warned);
        return std::pair{std::sqrt(error), static_cast<diamond::index_t>(evaluations)};
    };
    // [guided]
    const diamond::ddpm_posterior_kernel kernel{draws};
    const diamond::moment_value moments{draws, reward, {.samples = 4}};
    const diamond::measurement_guided_kernel guided{context, kernel, model, reward, {.variance = v}};
    const auto times = diamond::noise_ratio_time_grid(model.schedule(), 16, {.first = 3.0, .last = 0.5 * s});
    diamond::smc by_guide{guided, moments, {.particles = 512, .times = times, .pilot_particles = 0}};
    // [/guided]
    diamond::smc by_default{kernel, diamond::posterior_value{draws, reward}};
    diamond::smc by_moments{kernel, moments, {.particles = 512, .times = times, .pilot_particles = 0}};
    line("default, posterior values", by_default);
    line("moment values", by_moments);
    const auto [error, evaluations] = line("moment values, guided", by_guide);
    diamond::smc plain{kernel,
                       diamond::posterior_value{draws, reward},
                       {.particles = evaluations, .steps = 1, .threshold = 0.0}};
    return error / line("importance sampling", plain).first;
}

int run() {
    bool better = true;
    for (const std::size_t d : {std::size_t{16}, std::size_t{64}}) {
        const model_type normal{context, {}, {1.0}, std::vector<double>(d), std::vector<double>(d, 1.0)};
        better &= compare(d == 16 ? "N(0, I), d = 16, 8 seen as 1, s = 0.2" : "d = 64, 32 seen as 1, s = 0.2",
                          normal, std::vector<float>(d / 2, 1.0f), 0.2, 1.0) < 1.0 / 3.0;
    }
    std::vector<double> means, variances;
    for (int part = 0; part < 5; ++part)
        for (int i = 0; i < 16; ++i)
            means.push_back(2.0 * std::sin(3.0 * part + 1.7 * i)), variances.push_back(0.2 + 0.1 * part);
    std::vector<float> seen;
    for (std::size_t i = 0; i < 8; ++i)
        seen.push_back(static_cast<float>(means[32 + i] + 0.3 * std::cos(static_cast<double>(i))));
    const model_type five{context, {}, std::vector<double>(5, 0.2), means, variances};
    better &= compare("five parts, d = 16, 8 seen, s = 0.15", five, seen, 0.15, 0.4) < 1.0 / 3.0;
    return better ? 0 : 1;
}

int main() { return examples::run_main("guided_measurement", run); }
