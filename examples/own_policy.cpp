// A policy of training of your own: how often each outer time is trained. It is found by its role, wherever
// it stands behind the options; the other roles keep their defaults.
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

// [policy]
/// Outer times early in the way: t = u^2, of density 1/(2 sqrt t), and t = 0 in a tenth of the columns.
struct early_time {
    DIAMOND_HD double operator()(double choice, double u) const { return choice < 0.1 ? 0.0 : u * u; }
    /// Names the policy in a saved training, which another one does not go on from.
    [[nodiscard]] std::string text() const { return "early_time"; }
};
// [/policy]

int run() {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    std::vector<float> ring;
    for (int k = 0; k < 500; ++k) {
        const double angle = 2.0 * std::numbers::pi * k / 500.0;
        ring.push_back(static_cast<float>(2.0 * std::cos(angle)));
        ring.push_back(static_cast<float>(2.0 * std::sin(angle)));
    }

    // [program]
    auto map = diamond::train_diamond_map(diamond::from_host<float>(context, 2, 500, ring),
                                          diamond::philox{1},
                                          {.network = {.width = 64, .blocks = 2},
                                           .training = {.steps = 2000, .batch = 256, .rate = {.peak = 1e-2}}},
                                          early_time{}, diamond::adaptive_weight{.power = 1.0});

    constexpr diamond::index_t draws = 2048;
    diamond::diamond_map_posterior posterior{map};
    const batch start = diamond::from_host<float>(context, 2, 1, {0.0f, 0.0f}); // at t = 0 it says nothing
    batch z(context, 2, draws);
    posterior(start.read(), 0.0, {}, diamond::philox{2}.stream(diamond::purpose::user, 0, draws),
              z.mutable_view());
    // [/program]

    double radius = 0.0, off = 0.0;
    for (diamond::index_t j = 0; j < draws; ++j) {
        const double r = std::hypot(z.data()[2 * j], z.data()[2 * j + 1]);
        radius += r / draws;
        off += std::abs(r - 2.0) / draws;
    }
    std::printf("the mean radius is %.3f, of the ring 2; draws are off it by %.3f on average\n", radius, off);
    return std::abs(radius - 2.0) < 0.25 && off < 0.6 ? 0 : 1;
}

int main() { return examples::run_main("own_policy", run); }
