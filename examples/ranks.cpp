// Islands of SMC over the ranks of MPI: mpirun -n 4 ranks, or ./ranks alone, to the same bits. One rank a
// node or a GPU; here each has a thread. Rank 0 saves the islands as they go, and goes on where a file is:
// ranks [FILE].
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/islands_snapshot.hpp>
#include <diamond/mpi/islands.hpp>

int run(const diamond::mpi::communicator& ranks, const std::filesystem::path& file) {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::exact_posterior posterior{model};
    const diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                               diamond::posterior_value{posterior, reward, {.samples = 4}},
                               {.particles = 512, .steps = 8, .plain_ratio = 0.0}}; // SMC, whatever its pilot
                                                                                    // sees
    const diamond::philox rng{.seed = 42};

    // [islands]
    diamond::mpi::islands islands{ranks, sampler, {.islands = 8, .threshold = 0.5}};
    const auto result = islands(context, rng);        // the same on all ranks, but for their own particles
    const auto all = islands.gather(context, result); // all particles with their weights, on rank 0
    // [/islands]

    // [save]
    auto state = islands.start(context, rng);
    while (state.step() < 4) islands.step(state);
    const auto snapshot = islands.snapshot(state); // on rank 0
    ranks.on_first([&] { diamond::io::save_islands(file, snapshot, "two Gaussians, linear reward"); });
    // [/save]
    // [resume]
    diamond::islands_snapshot<float> saved; // rank 0 has the file, on however many ranks it goes on
    ranks.on_first([&] { saved = diamond::io::load_islands<float>(file, "two Gaussians, linear reward"); });
    const auto resumed = islands(context, rng, saved);
    // [/resume]
    if (resumed.log_z != result.log_z) return 1;
    if (!ranks.first()) return 0;

    const auto [tilted, log_z] = model.tilted({.linear = {1.0, 0.5}});
    const auto weights = all.weights();
    double mean = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j)
        mean += weights[j] * static_cast<double>(all.particles.data()[2 * j]);
    std::printf("%d ranks, 8 islands: log Z %.17g +- %.3f, exactly %.3f\n", ranks.size(), result.log_z,
                result.log_z_standard_error, log_z);
    std::printf("mean of x %.3f, exactly %.3f\n", mean, tilted.mean()[0]);
    for (const auto& warning : result.warnings) std::printf("warning: %s\n", warning.c_str());
    return std::fabs(result.log_z - log_z) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

// [main]
int main(int argc, char** argv) {
    return diamond::mpi::run([&](const diamond::mpi::communicator& ranks) {
        return run(ranks, argc > 1 ? argv[1] : "ranks.safetensors");
    });
}
// [/main]
