// A noise schedule of your own: four functions of t, checked where it is used, and everything that knows
// time takes it.
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [schedule]
struct parabolic_schedule { // x_t = t z + (1 - t^2) eps, from noise at t = 0 to data at t = 1
    DIAMOND_HD double alpha(double t) const { return t; }
    DIAMOND_HD double sigma(double t) const { return (1.0 - t) * (1.0 + t); }
    DIAMOND_HD double d_alpha(double) const { return 1.0; }
    DIAMOND_HD double d_sigma(double t) const { return -2.0 * t; }
};
// [/schedule]

int run() {
    // [program]
    const diamond::eigen::context context{.threads = 2};
    const parabolic_schedule schedule;

    // Two Gaussians in the plane, whose velocity is that of this schedule.
    const diamond::gaussian_mixture<diamond::eigen::batch<float>, parabolic_schedule> model{
        context, schedule, {0.6, 0.4}, {-1, 0, 2, 1}, {0.2, 0.1}};

    const diamond::glass_diamond_map map{schedule, model, diamond::explicit_midpoint{.steps = 8}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};

    const auto result = sampler(context, diamond::philox{.seed = 42});
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    // [/program]
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

int main() { return examples::run_main("own_schedule", run); }
