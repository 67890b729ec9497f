// A reward that keeps state, passed by std::ref so that there is one of it: it counts its calls and keeps
// the best sample.
#include <cstdio>
#include <functional>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [reward]
struct recorder {
    long long calls = 0;
    double best = -diamond::infinity;
    std::vector<float> best_sample;

    double operator()(diamond::column_view<const float> z) {
        ++calls;
        const double r = -0.5 * (diamond::square(z[0] - 1.0) + diamond::square(z[1] - 1.0));
        if (r > best) {
            best = r;
            best_sample.assign(z.begin(), z.end());
        }
        return r;
    }
};
// [/reward]

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{context, {}, {0, 0}, {1, 0, 0, 1}};
    const diamond::exact_posterior posterior{model};

    // [program]
    recorder reward; // it outlives the sampler, which refers to it
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, std::ref(reward), {.samples = 4}},
                         {.particles = 1024, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    std::printf("called for %lld samples, by the run's own count for %lld\n", reward.calls,
                static_cast<long long>(result.spent.reward));
    std::printf("the best was (%.3f, %.3f), the maximum is at (1, 1)\n", reward.best_sample[0],
                reward.best_sample[1]);
    // [/program]
    return reward.calls == result.spent.reward && reward.best > -0.01 ? 0 : 1;
}

int main() { return examples::run_main("stateful_reward", run); }
