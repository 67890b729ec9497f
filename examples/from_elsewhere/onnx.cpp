// A velocity network from an ONNX file, evaluated by OpenVINO and aligned with a reward: onnx [FILE], by
// default the file that export.py writes from a JAX or PyTorch function.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/openvino/network.hpp>

#include "../run_main.hpp"

using batch = diamond::eigen::batch<float>;

int run(const std::filesystem::path& file) {
    // [program]
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule; // that the network was trained on
    const diamond::openvino_network<batch> network{context, file};

    const diamond::glass_diamond_map map{schedule, network, diamond::explicit_midpoint{.steps = 8}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    // The file's data are around +-m, N(+-m, 0.2 I).
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.5}, {1.5, -0.5, -1.5, 0.5}, {0.2, 0.2}};
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);

    // [products]
    // With two_clusters.vjp.onnx and two_clusters.jvp.onnx beside it, gradients of values guide the steps.
    const diamond::differentiable_openvino_network<batch> differentiable{context, file};
    const diamond::denoised_value denoised{schedule, differentiable, reward}; // r(E[z | x_t])
    diamond::smc guided{diamond::value_guided_kernel{diamond::early_stop_kernel{map}, denoised},
                        value,
                        {.particles = 2048, .steps = 8}};
    const auto steered = guided(context, diamond::philox{.seed = 42});
    // [/products]
    std::printf("guided %.3f +- %.3f\n", steered.log_z, steered.log_z_standard_error);
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error &&
                   std::abs(steered.log_z - exact) < 5.0 * steered.log_z_standard_error
             ? 0
             : 1;
}

int main(int argc, char** argv) {
    return examples::run_main(
        "onnx", [&] { return run(argc > 1 ? argv[1] : "examples/from_elsewhere/two_clusters.onnx"); });
}
