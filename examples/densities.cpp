// Log-densities of samples: by a velocity and its divergence along the ODE, and of the particles that SMC
// has drawn, under the model and under the tilted target.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<double>;

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0.0;
    for (std::size_t j = 0; j < a.size(); ++j) largest = std::max(largest, std::abs(a[j] - b[j]));
    return largest;
}

int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};
    const diamond::linear_reward reward{context, std::vector<double>{1.0, 0.5}};
    const diamond::exact_posterior posterior{model};

    // [program]
    // log p_t of any differentiable velocity field: d log p = -div u dt along the way to the noise.
    diamond::flow_density density{
        diamond::ode_flow_map{diamond::exact_divergence{model}, diamond::explicit_midpoint{.steps = 128}}};

    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 1024, .steps = 8}};
    auto result = sampler(context, diamond::philox{.seed = 42});
    diamond::add_log_densities(result, density);                                 // log p of the particles
    const auto tilted = diamond::tilted_log_densities(result);                   // log p + r - log Z
    const auto of_others = diamond::log_densities_of(density, result.particles); // of any samples
    // [/program]

    diamond::exact_density exact{diamond::linear_schedule{}, model};
    diamond::exact_density exact_tilted{diamond::linear_schedule{},
                                        model.tilted(reward.quadratic_form()).tilted};
    const double error = largest_difference(result.log_densities,
                                            diamond::log_densities_of(exact, result.particles));
    const double tilted_error = largest_difference(tilted,
                                                   diamond::log_densities_of(exact_tilted, result.particles));
    std::printf("log p errs by at most %.4f, log p of the target by %.4f, log Z by +- %.4f\n", error,
                tilted_error, result.log_z_standard_error);
    return error < 0.02 && tilted_error < 0.02 + 5.0 * result.log_z_standard_error &&
                   of_others == result.log_densities
             ? 0
             : 1;
}

int main() { return examples::run_main("densities", run); }
