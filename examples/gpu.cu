// The program of custom_reward.cpp on a GPU: context and batches are those of diamond::cuda, and nothing
// else differs but that numbers are asked for by to_host.
// [program]
#include <cmath>
#include <cstdio>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>

using batch = diamond::cuda::batch<float>;

struct near_a_point { // copied to the device: it holds numbers, and its call is DIAMOND_HD
    float x, y;
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return -0.5 * (diamond::square(z[0] - x) + diamond::square(z[1] - y));
    }
};

int main() {
    const diamond::cuda::context context{.device = 0};
    const diamond::linear_schedule schedule;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};

    const diamond::glass_diamond_map map{schedule, model, diamond::explicit_midpoint{.steps = 8}};
    const diamond::posterior_value value{
        diamond::diamond_map_posterior{map}, near_a_point{2, 1}, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 4096, .steps = 8}};

    const auto result = sampler(context, diamond::philox{.seed = 42});
    const auto weights = result.weights();
    const auto particles = to_host(result.particles); // waits for the device
    double mean = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j) mean += weights[j] * particles[2 * j];

    const auto [tilted, log_z] = model.tilted({.constant = -2.5, .linear = {2, 1}, .curvature = {1, 1}});
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, log_z);
    std::printf("mean of x %.3f, exactly %.3f\n", mean, tilted.mean()[0]);
    return std::abs(result.log_z - log_z) < 5.0 * result.log_z_standard_error ? 0 : 1;
}
// [/program]
