// A velocity network that PyTorch wrote, as it is in a file of TorchScript: its Diamond map by GLASS, and SMC
// to a reward. torchscript [FILE]; the file is of export_torchscript.py.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/torch/network.hpp>

#include "../run_main.hpp"

int run(const std::filesystem::path& file) {
    // [program]
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule; // that the network was trained with
    const diamond::torch_network<batch> network{context, file, {.dimension = 2}};

    const diamond::glass_diamond_map map{schedule, network, diamond::explicit_midpoint{.steps = 8}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    // The module is the velocity of two Gaussians, whose log Z is known.
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.5}, {1.5, -0.5, -1.5, 0.5}, {0.2, 0.2}};
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main(
        "torchscript", [&] { return run(argc > 1 ? argv[1] : "examples/from_elsewhere/two_clusters.pt"); });
}
