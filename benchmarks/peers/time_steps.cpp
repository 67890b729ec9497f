// time_steps KIND WIDTH COLUMNS THREADS RUNS: the fastest of RUNS runs, after two others, in milliseconds by
// the clock on the wall. KIND is step, smc, training (benchmarks/network_steps.hpp), forward
// (peers/cases.hpp), resampling, unet_step or unet_training (benchmarks/image_steps.hpp); of the last three
// the width is not read.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <diamond/align/resampling.hpp>

#include "../against.hpp"
#include "../image_steps.hpp"
#include "../network_steps.hpp"
#include "cases.hpp"

namespace {

using namespace diamond_benchmarks;

template <class Step>
int report(Step&& step, int runs) {
    double fastest = 1e300;
    for (int run = 0; run < runs + 2; ++run) {
        const double taken = seconds(wall_time, step);
        if (run >= 2) fastest = std::min(fastest, taken);
    }
    return std::printf("%.6f\n", 1e3 * fastest), 0;
}

/// Systematic resampling from log weights of deviation 1.
struct resampling {
    diamond::eigen::context context;
    diamond::owning_batch<double, diamond::eigen::context> log_weight;
    diamond::owning_batch<std::uint64_t, diamond::eigen::context> cumulative;
    diamond::owning_batch<std::int32_t, diamond::eigen::context> ancestors;
    diamond::resampling_scratch<diamond::eigen::context> space;

    resampling(int threads, index_t count)
        : context{.threads = threads},
          log_weight(context, 1, count),
          cumulative(context, 1, count),
          ancestors(context, 1, count) {
        diamond::draw_normal(philox{1}.stream(diamond::purpose::user), log_weight.mutable_view());
    }
    void operator()() {
        const index_t count = log_weight.columns();
        diamond::cumulative_weights(context, log_weight.data(), count, space, cumulative.data());
        diamond::systematic{}(context, cumulative.data(), count,
                              philox{1}.stream(diamond::purpose::resampling), space, ancestors.data());
    }
};

} // namespace

int main(int count, char** arguments) {
    const std::string kind = count == 6 ? arguments[1] : "";
    const auto number = [&](int k) { return std::atol(arguments[k]); };
    if (kind.empty()) return std::fprintf(stderr, "time_steps KIND WIDTH COLUMNS THREADS RUNS\n"), 2;
    const index_t width = number(2), columns = number(3);
    const int threads = static_cast<int>(number(4)), runs = static_cast<int>(number(5));
    if (width < 1 || columns < 1 || threads < 1 || runs < 1)
        return std::fprintf(stderr, "time_steps: the numbers must be positive\n"), 2;
    if (kind == "step") return report(diamond_step(threads, width, columns), runs);
    if (kind == "smc") return report(smc_run(threads, width, columns), runs);
    if (kind == "training") return report(training_step(threads, width, columns), runs);
    if (kind == "unet_step") return report(unet_step(threads, columns), runs);
    if (kind == "unet_training") return report(unet_training_step(threads, columns), runs);
    if (kind == "resampling") return report(resampling(threads, columns), runs);
    if (kind == "forward") {
        const diamond::eigen::context context{.threads = threads};
        return report(peers::forward_pass(context, width, columns), runs);
    }
    return std::fprintf(stderr,
                        "time_steps: %s is none of step, smc, training, forward, resampling, unet_step, "
                        "unet_training\n",
                        kind.c_str()),
           2;
}
