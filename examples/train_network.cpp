// A Diamond map trained from points alone, no teacher and no simulation, and saved for load_network:
// train_network [FILE].
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "run_main.hpp"

int run(const std::filesystem::path& file) {
    const diamond::eigen::context context{.threads = 2};
    constexpr double radius = 2.0, bandwidth = 0.1;
    constexpr diamond::index_t count = 1000;
    std::vector<float> points; // one behind the other: the corners of a polygon so fine that it is a ring
    for (diamond::index_t k = 0; k < count; ++k) {
        const double angle = 2.0 * std::numbers::pi * static_cast<double>(k) / count;
        points.push_back(static_cast<float>(radius * std::cos(angle)));
        points.push_back(static_cast<float>(radius * std::sin(angle)));
    }

    // [train]
    // Each time that a point is drawn, N(0, bandwidth^2 I) is added anew.
    const auto map = diamond::train_diamond_map(
        diamond::from_host(context, 2, count, points), diamond::philox{.seed = 1},
        {.smooth = {.bandwidth = bandwidth, .relative_bandwidth = 0.0},
         .network = {.width = 64, .blocks = 2},
         .training = {.steps = 3000, .batch = 256, .rate = {.peak = 1e-2}, .report_every = 1000},
         .observer = [](const diamond::training_report& at) {
             std::printf("step %td: loss %.3f, off the diagonal %.3f\n", at.step + 1, at.diagonal_loss,
                         at.off_diagonal_loss);
             return true; // false ends the training here
         }});
    diamond::io::save_network(file, map.network(), {{"trained_on", "a ring"}});
    // [/train]

    const diamond::linear_reward reward{context, std::vector<float>{0.5f, 0.5f}};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 8}},
        {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // E exp(c . z) of a ring with noise is I_0(|c| radius) exp(|c|^2 bandwidth^2 / 2); here |c|^2 = 1/2.
    const double exact = std::log(std::cyl_bessel_i(0.0, radius * std::sqrt(0.5))) +
                         0.25 * bandwidth * bandwidth;
    std::printf("log Z %.3f +- %.3f, of the ring itself %.3f\n", result.log_z, result.log_z_standard_error,
                exact);
    // log Z moves by 0.05 where the radius is wrong by 0.06.
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error + 0.05 ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main("train_network", [&] { return run(argc > 1 ? argv[1] : "ring.safetensors"); });
}
