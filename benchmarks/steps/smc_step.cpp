// smc_step THRESHOLD: the seconds of one thread that a step of SMC takes, by a mixture of three in the plane
// with 10^4 particles, DDPM transitions and values of one draw; it resamples in every step where THRESHOLD is
// 2, in none where it is 0. benchmarks/against_commit.py holds two commits' headers against each other by it,
// so it uses only names that both have, and opens no namespace.
#include <cstdio>
#include <cstdlib>

#include <diamond/align/smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/linear.hpp>
#if __has_include(<diamond/value/posterior_value.hpp>)
#include <diamond/value/posterior_value.hpp>
#else
#include <diamond/value/posterior.hpp> // an older commit's name
#endif

#include "seconds.hpp"

using batch = diamond::eigen::batch<float>;
using mixture = diamond::gaussian_mixture<batch, diamond::linear_schedule>;

struct slope {
    static constexpr bool column_parallel = true;
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return 0.5 * static_cast<double>(z[0]) - 0.3 * static_cast<double>(z[1]);
    }
};

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "smc_step THRESHOLD: 0 resamples never, 2 always\n"), 2;
    const double threshold = std::atof(arguments[1]);
    const diamond::eigen::context context{.threads = 1};
    const diamond::exact_posterior draws{
        mixture{context, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}}};
    const diamond::ddpm_posterior_kernel kernel(draws);
    const diamond::posterior_value value(draws, slope{}, {.samples = 1});
    const diamond::smc_options options{
        .particles = 10000, .steps = 65, .threshold = threshold, .log_delta = -4.0};
    diamond::smc sampler(kernel, value, options);
    auto warm = sampler.start(context, diamond::philox{1});
    for (int k = 0; k < 10; ++k) sampler.step(warm);
    auto state = sampler.start(context, diamond::philox{1});
    for (int k = 0; k < 4; ++k) sampler.step(state);
    const double begin = seconds();
    for (int k = 0; k < 60; ++k) sampler.step(state);
    std::printf("%.9g\n", (seconds() - begin) / 60.0);
}
