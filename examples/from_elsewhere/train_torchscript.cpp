// An architecture of PyTorch trained to a Diamond map here, and saved for PyTorch again: train_torchscript
// [FILE [OUT]]; the file is of export_torchscript.py, and OUT is trained.pt in the folder of temporary files
// unless it is given.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/torch/trainable_network.hpp>

#include "../run_main.hpp"

int run(const std::filesystem::path& file, const std::filesystem::path& out) {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.5, 0.5}, {1.2, 0.4, -1.2, -0.4}, {0.15, 0.15}};
    batch points(context, 2, 4000);
    model.draw(diamond::philox{1}.stream(diamond::purpose::data), points.mutable_view());

    // [train]
    const diamond::torch_trainable_network<batch> network{
        context, file, {}, {}, {.dimension = 2, .variance = 0.95}};
    const diamond::training_set<batch> data{std::move(points), 0.0}; // of this variance
    diamond::diamond_trainer trainer{network,
                                     data,
                                     diamond::philox{2},
                                     {.steps = 1200, .batch = 128, .average = 0.98, .report_every = 400},
                                     diamond::lagrangian_loss{}};
    auto state = trainer.start();
    trainer.run(state, [](const diamond::training_report& at) {
        std::printf("step %td: loss %.3f, off the diagonal %.3f\n", at.step + 1, at.diagonal_loss,
                    at.off_diagonal_loss);
        return true;
    });
    const diamond::trained_network trained{network, trainer.averaged(state)};
    network.with(trained.parameters().read()).save(out.string()); // for torch.jit.load
    // [/train]

    const diamond::network_diamond_map map{trained};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 8}},
        {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, of the data's law %.3f\n", result.log_z, result.log_z_standard_error,
                exact);
    std::printf("written to %s\n", out.string().c_str());
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error + 0.1 ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main("train_torchscript", [&] {
        return run(argc > 1 ? argv[1] : "examples/from_elsewhere/mean_velocity.pt",
                   argc > 2 ? std::filesystem::path{argv[2]}
                            : std::filesystem::temp_directory_path() / "trained.pt");
    });
}
