// Searches at equal evaluations: the mean reward of 64 winners by best of N, beams, trees and the best
// particle of SMC, where a thousandth of the data's mass has the reward; the table of docs/which_method.md.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<double>;

int run() {
    const diamond::eigen::context context{.threads = 2};
    std::vector<double> means(16, -0.5);
    std::fill(means.begin() + 8, means.end(), 1.0);
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, {}, {0.999, 0.001}, means, {0.3, 0.1}};
    const auto reward = [](diamond::column_view<const double> z) {
        double sum = 0.0;
        for (const double x : z) sum -= 2.0 * diamond::square(x - 1.0);
        return sum;
    };
    const diamond::exact_posterior draws{model};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const diamond::posterior_value value{draws, reward};
    constexpr diamond::index_t winners = 64, steps = 8;
    const diamond::philox rng{1};

    const auto line = [](const char* method, const std::vector<double>& rewards, diamond::cost spent) {
        const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / winners;
        std::printf("%-36s%12lld%10.1f\n", method, static_cast<long long>(spent.evaluations() / winners),
                    mean);
        return mean;
    };
    bool better = true;
    std::printf("%-36s%12s%10s\n", "method", "evaluations", "reward");
    for (const diamond::index_t budget : {256, 1024, 4096}) {
        diamond::best_of_n once{kernel, reward, {.winners = winners, .candidates = budget, .steps = 1}};
        diamond::best_of_n best{
            kernel, reward, {.winners = winners, .candidates = budget / steps, .steps = steps}};
        diamond::beam beams{
            kernel, value, {.beams = winners, .children = budget / (4 * (2 * steps - 1)), .steps = steps}};
        diamond::tree_search trees{kernel, reward, {.trees = winners, .evaluations = budget, .steps = steps}};
        diamond::tree_search valued{kernel, value, {.trees = winners, .evaluations = budget, .steps = steps}};
        // Without the pilot, whose draws no winner is chosen from; a delta in place of what it would find.
        diamond::smc sampler{
            kernel, value, {.particles = budget / (2 * steps - 1), .steps = steps, .log_delta = -30.0}};
        const auto of_one = once(context, rng), of_best = best(context, rng);
        const auto of_beams = beams(context, rng);
        const auto of_trees = trees(context, rng), of_valued = valued(context, rng);
        std::vector<double> of_smc;
        diamond::cost spent;
        for (std::uint64_t k = 0; k < winners; ++k) {
            const auto result = sampler(context, rng.split(k));
            of_smc.push_back(*std::max_element(result.rewards.begin(), result.rewards.end()));
            spent += result.spent;
        }
        line("best of N, 1 step", of_one.rewards, of_one.spent);
        const double by_best = line("best of N, 8 steps", of_best.rewards, of_best.spent);
        line("beam, width 4", of_beams.rewards, of_beams.spent);
        better &= line("trees, reward", of_trees.rewards, of_trees.spent) > by_best;
        line("trees, posterior_value", of_valued.rewards, of_valued.spent);
        line("SMC, best particle", of_smc, spent);
    }
    return better ? 0 : 1;
}

int main() { return examples::run_main("search", run); }
