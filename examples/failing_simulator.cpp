// A simulator as a reward that throws for some samples: forbid_failures gives these -inf, and the run goes
// on.
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [simulator]
double simulate(diamond::column_view<const float> z) {
    if (z[0] < 0.0f) throw std::runtime_error("the solver does not converge");
    return z[0]; // the yield, as a log probability
}
// [/simulator]

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{context, {}, {0, 0}, {1, 0, 0, 1}};
    const diamond::exact_posterior posterior{model};

    // [program]
    const diamond::forbid_failures reward{simulate};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 8}},
                         {.particles = 1024, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    std::printf("%lld of %lld simulations failed\n", static_cast<long long>(reward.failures()),
                static_cast<long long>(result.spent.reward));
    // [/program]

    // E exp(x) over x > 0 of N(0, 1) is exp(1/2) P(x > -1).
    const double exact = 0.5 + std::log(0.5 * std::erfc(-1.0 / std::sqrt(2.0)));
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return reward.failures() > 0 && std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0
                                                                                                       : 1;
}

int main() { return examples::run_main("failing_simulator", run); }
