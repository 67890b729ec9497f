// A run of SMC that is saved after some steps and goes on from the file, to the same bits as a run that was
// never interrupted: resume [FILE].
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/snapshot.hpp>

#include "run_main.hpp"

int run(const std::filesystem::path& file) {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::exact_posterior posterior{model};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 2048, .steps = 8}};
    const diamond::philox rng{.seed = 42};

    // [save]
    // The text says which model and reward these are; load_snapshot asks for the same.
    auto state = sampler.start(context, rng);
    while (state.step() < 3) sampler.step(state);
    diamond::io::save_snapshot(file, state.snapshot(), "two Gaussians, linear reward");
    // [/save]

    // [resume]
    // Another process makes the same sampler, and goes on from the file.
    const auto saved = diamond::io::load_snapshot<float>(file, "two Gaussians, linear reward");
    const auto result = sampler(context, rng, saved);
    // [/resume]

    const auto whole = sampler(context, rng);
    const bool same = result.log_z == whole.log_z && result.log_weights == whole.log_weights &&
                      to_host(result.particles) == to_host(whole.particles);
    std::printf("saved after step %td of 8; log Z %.17g, without interruption %.17g: %s\n", saved.step,
                result.log_z, whole.log_z, same ? "the same bits" : "other bits");
    return same ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main("resume", [&] { return run(argc > 1 ? argv[1] : "resume.safetensors"); });
}
