// Several contexts, a thread each: independent islands of SMC, whose spread is the error of log Z.
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

// [island]
/// One run on a context of its own: a context, and all that is made on it, belongs to one thread.
double log_z_of_island(diamond::philox rng) {
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::exact_posterior posterior{model};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 512, .steps = 8}};
    return sampler(context, rng).log_z;
}
// [/island]

int run() {
    // [program]
    constexpr std::size_t islands = 8;
    const diamond::philox rng{.seed = 42};
    std::vector<double> log_z(islands);
    {
        std::vector<std::jthread> threads;
        for (std::size_t k = 0; k < islands; ++k)
            threads.emplace_back([&, k] { log_z[k] = log_z_of_island(rng.split(k)); });
    } // all have ended
    const auto all = diamond::combine_islands(log_z);
    for (const auto& warning : all.warnings) std::printf("warning: %s\n", warning.c_str());
    // [/program]

    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const double exact = model.tilted({.linear = {1.0, 0.5}}).log_z;
    std::printf("log Z %.3f +- %.3f by %zu islands, exactly %.3f\n", all.log_z, all.standard_error, islands,
                exact);
    return std::abs(all.log_z - exact) < 5.0 * all.standard_error ? 0 : 1;
}

int main() { return examples::run_main("contexts", run); }
