// A network from a file, aligned with a reward: own_network FILE, which may be one of
// examples/digits/weights. Where there is no such file, a Diamond map is first trained on points of a ring,
// in seconds, and written there.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

// [train]
/// Points of yours, a column each, become a Diamond map: no teacher, no simulation.
auto train(const diamond::eigen::context& context, batch points, double bandwidth) {
    // Each time that a point is drawn, N(0, bandwidth^2 I) is added anew.
    const diamond::training_set<batch> data{std::move(points), bandwidth};
    // The network learns what is not Gaussian.
    const diamond::gaussian_frame<batch> frame{context, diamond::fit_gaussian_frame(data)};
    const auto inside = diamond::in_coordinates_of(frame, data);
    const diamond::diamond_mlp_options shape{.mlp = {.width = 64, .blocks = 2}};
    diamond::diamond_mlp<batch, diamond::linear_schedule> network{
        {}, {context, diamond::in_own_coordinates(frame.numbers())}, shape};

    diamond::diamond_trainer trainer{
        network,
        inside,
        diamond::philox{1},
        {.steps = 3000, .batch = 256, .rate = {.peak = 1e-2}, .report_every = 1000}};
    auto state = trainer.start(); // diamond::io::save_training keeps it, load_training goes on bit for bit
    trainer.run(state, [](const diamond::training_report& at) {
        std::printf("step %td: loss %.3f, off the diagonal %.3f\n", at.step + 1, at.diagonal_loss,
                    at.off_diagonal_loss);
        return true;
    });
    return diamond::trained_network{decltype(network){{}, frame, shape}, trainer.averaged(state)};
}
// [/train]

/// The corners of a polygon so fine that it is a ring.
batch ring(const diamond::eigen::context& context, double radius) {
    constexpr int corners = 1000;
    std::vector<float> points;
    for (int k = 0; k < corners; ++k)
        for (const double shift : {0.0, 0.25})
            points.push_back(static_cast<float>(
                radius * std::cos(2.0 * std::numbers::pi * (k / static_cast<double>(corners) - shift))));
    return diamond::from_host<float>(context, 2, corners, points);
}

void align(const diamond::eigen::context& context, const std::filesystem::path& file) {
    // [load]
    // A file that means something else is refused.
    const auto network = diamond::io::load_network<batch>(context, file);
    const diamond::network_diamond_map map{network};
    // r(z) is half the sum of z.
    const diamond::linear_reward reward{
        context, std::vector<float>(static_cast<std::size_t>(network.dimension()), 0.5f)};

    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 8}},
        {.particles = 2048, .steps = 8}};
    // A third argument, diamond::labels{7}, would ask for a class.
    const auto result = sampler(context, diamond::philox{.seed = 42});
    std::printf("log Z %.3f +- %.3f, %lld evaluations\n", result.log_z, result.log_z_standard_error,
                static_cast<long long>(result.spent.evaluations()));
    // [/load]
}

void run(const std::filesystem::path& file) {
    const diamond::eigen::context context{.threads = 2};
    if (!std::filesystem::exists(file)) {
        constexpr double radius = 2.0, bandwidth = 0.1;
        diamond::io::save_network(file, train(context, ring(context, radius), bandwidth),
                                  {{"trained_on", "a ring"}});
        // E exp(c . z) of a ring with noise is I_0(|c| radius) exp(|c|^2 h^2/2); here |c|^2 = 1/2.
        std::printf("log Z of a ring is %.3f\n",
                    std::log(std::cyl_bessel_i(0.0, radius * std::sqrt(0.5))) + 0.25 * bandwidth * bandwidth);
    }
    align(context, file);
}

int main(int argc, char** argv) {
    return examples::run_main("own_network", [&] { run(argc > 1 ? argv[1] : "ring.safetensors"); });
}
