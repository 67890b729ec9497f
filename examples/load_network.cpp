// A network from a file, the shipped one of digits by default, aligned with a reward: load_network [FILE].
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

int run(const std::filesystem::path& file) {
    // [load]
    const diamond::eigen::context context{.threads = 2};
    // A file that means something else is refused.
    const auto network = diamond::io::load_network<batch>(context, file);
    const diamond::network_diamond_map map{network};
    // r(z) is a tenth of the sum of z: ink.
    const diamond::linear_reward reward{
        context, std::vector<float>(static_cast<std::size_t>(network.dimension()), 0.1f)};

    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 8}},
        {.particles = 1024, .steps = 8}};
    // A third argument, diamond::labels{7}, would ask for a class.
    const auto result = sampler(context, diamond::philox{.seed = 42});
    std::printf("log Z %.3f +- %.3f, %lld evaluations\n", result.log_z, result.log_z_standard_error,
                static_cast<long long>(result.spent.evaluations()));
    // [/load]

    // Z is the mean of exp r over the same chain without the reward, which is a poor estimate for strong
    // ones.
    diamond::chain prior{diamond::early_stop_kernel{map}, {.particles = 4096, .steps = 8}};
    const auto z = to_host(prior(context, diamond::philox{.seed = 43}).particles);
    const auto d = static_cast<std::size_t>(network.dimension());
    double sum = 0.0, squares = 0.0;
    for (std::size_t first = 0; first < z.size(); first += d) {
        double r = 0.0;
        for (std::size_t i = 0; i < d; ++i) r += 0.1 * z[first + i];
        sum += std::exp(r);
        squares += std::exp(2.0 * r);
    }
    const double n = static_cast<double>(z.size() / d), plain = std::log(sum / n);
    const double error = std::sqrt(squares / (sum * sum) - 1.0 / n);
    std::printf("log Z %.3f +- %.3f by samples of the chain alone\n", plain, error);
    return std::abs(result.log_z - plain) < 5.0 * std::hypot(error, result.log_z_standard_error) ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main("load_network", [&] {
        return run(argc > 1 ? argv[1] : "examples/studies/digits/weights/diamond.safetensors");
    });
}
