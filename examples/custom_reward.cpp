// A reward of your own on a model that is known exactly, so that the estimates can be checked.
// [program]
#include <cmath>
#include <cstdio>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

// [reward]
struct near_a_point { // r(z) = -|z - (x, y)|^2 / 2 of one sample; DIAMOND_HD lets a GPU call it, too
    float x, y;
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return -0.5 * (diamond::square(z[0] - x) + diamond::square(z[1] - y));
    }
};
// [/reward]

int main() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule;

    // Three Gaussians in the plane: weights, means, variances. A network of yours stands in the same place.
    const diamond::gaussian_mixture<diamond::eigen::batch<float>, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};

    // It draws z given x_t.
    const diamond::glass_diamond_map map{schedule, model, diamond::explicit_midpoint{.steps = 8}};
    const diamond::posterior_value value{
        diamond::diamond_map_posterior{map}, near_a_point{2, 1}, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 4096, .steps = 8}};

    const auto result = sampler(context, diamond::philox{.seed = 42});
    const auto weights = result.weights();
    double mean = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j) mean += weights[j] * result.particles.data()[2 * j];

    // The same r, for the exact answer.
    const auto [tilted, log_z] = model.tilted({.constant = -2.5, .linear = {2, 1}, .curvature = {1, 1}});
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, log_z);
    std::printf("mean of x %.3f, exactly %.3f; without the reward %.3f\n", mean, tilted.mean()[0],
                model.mean()[0]);
    for (const auto& warning : result.warnings) std::printf("warning: %s\n", warning.c_str());
    return std::abs(result.log_z - log_z) < 5.0 * result.log_z_standard_error ? 0 : 1;
}
// [/program]
