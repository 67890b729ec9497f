// Returns 0 if weights are right and NaN is refused. Compiled with flags that may spoil both.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <vector>

#include <diamond/align/resampling.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/reward/reward_caller.hpp>

using diamond::index_t;

int main() {
    const diamond::eigen::context context{.threads = 2};

    // The weights that resampling and log Z are made of.
    const index_t count = 1000;
    std::vector<double> log_weights(count);
    for (index_t i = 0; i < count; ++i)
        log_weights[static_cast<std::size_t>(i)] = -0.0073 * static_cast<double>(i);
    std::vector<std::uint64_t> sums(log_weights.size());
    diamond::resampling_scratch<diamond::eigen::context> space;
    diamond::cumulative_weights(context, log_weights.data(), count, space, sums.data());
    double worst = 0.0;
    for (std::size_t i = 1; i < sums.size(); ++i) {
        const double weight = static_cast<double>(sums[i] - sums[i - 1]) / static_cast<double>(sums[0]);
        worst = std::fmax(worst, std::fabs(weight / std::exp(log_weights[i]) - 1.0));
    }
    std::printf("the weights' worst relative error: %g\n", worst);

    // Normals: mean and variance of 10^6 to seven of their standard errors.
    diamond::eigen::batch<double> normals(context, 1000, 1000);
    context.fill_normal(diamond::philox{1}.stream(diamond::purpose::user), normals.mutable_view());
    double mean = 0.0, square = 0.0;
    for (index_t k = 0; k < normals.size(); ++k) {
        mean += normals.data()[k] / 1e6;
        square += normals.data()[k] * normals.data()[k] / 1e6;
    }
    std::printf("normals: mean %g, mean square %g\n", mean, square);

    // A reward that is no number, at one particle.
    int calls = 0;
    auto reward = [&calls](const auto&) { return ++calls == 37 ? std::sqrt(-1.0 * calls) : 0.0; };
    bool refused = false;
    std::vector<double> values(1000);
    try {
        diamond::call_reward(reward, normals.read(), diamond::no_condition{}, 0, 1,
                             diamond::row(context, 1000, values.data()));
    } catch (const diamond::numeric_error& error) {
        refused = error.particle() == 36;
        std::printf("%s\n", error.what());
    }
    return !(worst < 1e-9 && std::fabs(mean) < 7e-3 && std::fabs(square - 1.0) < 1e-2 && refused);
}
